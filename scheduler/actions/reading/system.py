"""Which process runs the clock, and what is in the queue."""

from dataclasses import dataclass
from datetime import datetime

from campaigns.lifecycle import RecipientState
from worker.runtime import Runtime
from worker.store import leases
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
