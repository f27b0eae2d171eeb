"""Which processes are there, which of them runs the clock, and what is in the queue."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from campaigns.display import utc
from campaigns.lifecycle import RecipientState
from scheduler.actions.shapes.seen import ProcessShape
from worker.runtime import Runtime
from worker.store import leases
from worker.store.access import processes
from worker.store.engine import Store
from worker.store.reports import facts


@dataclass(frozen=True, slots=True)
class ClockHolder:
    """Who runs the clock; None: nobody. `age_seconds`: since that was last said.

    On SQLite there is no lease: the one process that sends holds a lock on a file beside the database.
    """

    name: str | None
    age_seconds: float


def read_clock_holder(store: Store) -> ClockHolder | None:
    """Return who runs the clock; None where no lease says so, as on SQLite."""
    if store.is_sqlite:
        return None
    with store.read() as session:
        return ClockHolder(leases.holder(session, leases.CLOCK), leases.age(session, rehearsal=False))


SILENT_AFTER: Final = timedelta(minutes=1)
"""A process says every 15 s that it is there: one that has not for so long hangs, was killed, or has no database."""


@dataclass(frozen=True, slots=True)
class ProcessView:
    """A process of the service: the command that it runs (`role`), and where. `has_clock`: it runs the clock.

    `is_silent`: it has not said for a minute that it is there.
    """

    role: str
    host: str
    pid: int
    version: str
    started_at: datetime
    seen_at: datetime
    has_clock: bool
    is_silent: bool

    def as_json(self) -> ProcessShape:
        """Return it for programs."""
        return {
            "role": self.role,
            "host": self.host,
            "pid": self.pid,
            "version": self.version,
            "started_at": utc(self.started_at),
            "seen_at": utc(self.seen_at),
            "clock": self.has_clock,
            "silent": self.is_silent,
        }


def read_processes(store: Store, *, now: datetime) -> list[ProcessView]:
    """Return the processes that are there, and those that were and took no leave, for a day."""
    with store.read() as session:
        found = processes.all_there(session)
        holder = None if store.is_sqlite else leases.holder(session, leases.CLOCK)
    views = []
    for row in found:
        is_silent = now - row.seen_at > SILENT_AFTER
        # On SQLite `up` alone runs the clock, and no second one gets that far.
        leads = row.role == "up" if store.is_sqlite else holder == leases.holder_name(row.pid, row.host)
        views.append(
            ProcessView(
                row.role,
                row.host,
                row.pid,
                row.version,
                row.started_at,
                row.seen_at,
                leads and not is_silent,
                is_silent,
            )
        )
    return views


@dataclass(frozen=True, slots=True)
class QueueView:
    """How many requests have a job, and how many jobs there are; None: the queue cannot be asked.

    `is_shared`: it is in Redis; otherwise it is in this process, which is not asked.
    `due_since`: since when the oldest text is due that was not handed over yet; None: none is.
    """

    requests: int
    jobs: int | None
    is_shared: bool
    due_since: datetime | None


def read_queue(runtime: Runtime, *, now: datetime) -> QueueView:
    """Return what is in the queue of the account."""
    with runtime.store.read() as session:
        requests = facts.queued_batches(session, runtime.account_id)
        since = facts.oldest(session, runtime.account_id, now=now)
    return QueueView(requests, runtime.queue.outstanding(), runtime.queue.is_shared, since.get(RecipientState.PENDING))
