"""Which batches are due, and whose job must be put into the queue (again)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import PausedBy, WaitsFor
from campaigns.lifecycle import BatchState, RunState
from worker.store.tables import NOT_WAITING, accounts, batches, campaigns, runs
from worker.store.transitions import changed, move_batch

QUEUED_TOO_LONG = timedelta(seconds=60)
"""A job that nobody took for this long was lost with its queue or worker. Too early does no harm: intents guard it."""

EMPTIED_AFTER = timedelta(seconds=3)
"""The same if the queue has no job left: Redis was emptied. Queueing takes less than this."""

HINTED_FOR: Final = timedelta(seconds=5)
"""The same for a batch whose job is put into the queue right after the transaction that made it: a process that ends in
between leaves no job behind."""

STALE: Final = timedelta(seconds=3)
"""A job that has been in the queue this long may be in the hands of a worker that is gone: Dramatiq gives it to another
one only after 15 s, `QUEUED_TOO_LONG` after 60. It no longer keeps others from their turn."""

DOUBTS_PER_ACCOUNT = 3
"""With this many batches in doubt an account sends nothing more until they are looked up: something is wrong there."""


SOON = timedelta(seconds=60)
"""A batch that waits for the throttle no longer than this may get the next slot of a limit per minute."""


@dataclass(frozen=True, slots=True)
class Demand:
    """A running run: how much of it is on its way to a slot, in segments, and whether more is due.

    `queued_batches` are in the queue; `asleep_segments` wait for the throttle, `waking_segments` of them until `SOON`
    at most. `stale_segments` of the queued ones have been in the queue for `STALE`.
    """

    run_id: int
    definition_id: int
    campaign: str
    has_due: bool
    queued_batches: int
    queued_segments: int
    asleep_segments: int
    waking_segments: int
    stale_segments: int


@dataclass(frozen=True, slots=True)
class Due:
    """A batch that may be sent now, where the clocks of `zones` (empty: the campaign's) allow it.

    `is_back`: it was in the queue before, and got no slot.
    """

    id: int
    segments: int
    is_back: bool
    zones: str = ""


ENQUEUE_AHEAD = timedelta(seconds=0.15)
"""How long before its moment or its slot a batch goes to the queue: as long as tick and pick-up take. Otherwise every
slot of a slow campaign is taken late (0.90 of a rate of 1/second was attained). The thread that takes it waits out the
rest."""

LONGEST_LEAD = timedelta(seconds=0.6)
"""The longest lead, if many runs begin at one moment and nothing else is sending: queueing the first requests of 100
runs took 0.5 s, beside those that were already sent."""

_soon: sa.BindParameter[datetime] = sa.bindparam("b_soon", type_=batches.c.not_before.type)
_lead: sa.BindParameter[datetime] = sa.bindparam("b_lead", type_=batches.c.not_before.type)
_stale: sa.BindParameter[datetime] = sa.bindparam("b_stale", type_=batches.c.not_before.type)
_throttled: sa.ColumnElement[bool] = sa.literal_column(f"batch.waits_for = '{WaitsFor.THROTTLE}'")
"""Word for word as in the index: it is used only where its condition stands."""

_planned = (batches.c.run_id == runs.c.id, batches.c.state == BatchState.PLANNED)
_due_now = (*_planned, batches.c.not_before <= _lead)
_queued = (batches.c.run_id == runs.c.id, batches.c.state == BatchState.QUEUED)
_in_time = sa.or_(batches.c.latest.is_(None), batches.c.not_before <= batches.c.latest)
_asleep = (*_planned, batches.c.not_before > _lead, _throttled, _in_time)
"""Batches that will take a slot. A batch that is late by then takes none, and keeps none behind it from one."""


def _sum(*where: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    return sa.select(sa.func.coalesce(sa.func.sum(batches.c.segments), 0)).where(*where).scalar_subquery()


_DEMANDS = (
    sa.select(
        runs.c.id,
        runs.c.definition_id,
        campaigns.c.slug,
        sa.exists().where(*_due_now),
        sa.select(sa.func.count()).where(*_queued).scalar_subquery(),
        _sum(*_queued),
        _sum(*_asleep),
        _sum(*_asleep, batches.c.not_before <= _soon),
        _sum(*_queued, batches.c.queued_at <= _stale),
    )
    .join(accounts, accounts.c.id == runs.c.account_id)
    .join(campaigns, campaigns.c.id == runs.c.campaign_id)
    .where(
        runs.c.account_id == sa.bindparam("b_account"),
        runs.c.state == RunState.RUNNING,
        accounts.c.paused_by == PausedBy.NOBODY,
    )
    .order_by(runs.c.id)
)
"""Built once, like the statements of a send: it runs ten times a second."""

_first = (
    sa.select(batches.c.id, batches.c.segments, batches.c.waits_for, batches.c.zones)
    .where(*_due_now)
    .correlate(runs)
    .order_by(sa.case((_throttled, 0), else_=1), batches.c.not_before, batches.c.ordinal)
    .limit(sa.bindparam("b_most", type_=sa.Integer))
    .subquery()
)
_DUE = sa.select(
    runs.c.id,
    # One string per run: neither database has another way to read the first few of each that also uses an index.
    sa.select(
        sa.func.aggregate_strings(
            sa.cast(_first.c.id, sa.String)
            + ":"
            + sa.cast(_first.c.segments, sa.String)
            + sa.case((_first.c.waits_for == WaitsFor.THROTTLE, ":back:"), else_="::")
            + _first.c.zones,
            "|",
        )
    ).scalar_subquery(),
).where(runs.c.id.in_(sa.bindparam("b_runs", expanding=True)))


def demands(session: Session, account_id: int, *, now: datetime, lead: timedelta = ENQUEUE_AHEAD) -> list[Demand]:
    """Return the account's running runs and what they wait for; none while it is paused or has too much in doubt.

    Batches that are due within `lead` count as due.
    """
    if has_too_much_in_doubt(session, account_id):
        return []
    found = session.connection().execute(
        _DEMANDS, {"b_account": account_id, "b_lead": now + lead, "b_soon": now + SOON, "b_stale": now - STALE}
    )
    return [Demand(*row) for row in found]


def due_batches(
    session: Session, run_ids: Collection[int], *, now: datetime, most: int, lead: timedelta = ENQUEUE_AHEAD
) -> dict[int, list[Due]]:
    """Return up to `most` batches of each run that may be sent now: those that are back, then the longest waiting."""
    found = session.connection().execute(_DUE, {"b_runs": sorted(run_ids), "b_lead": now + lead, "b_most": most})
    return {run_id: [_due(entry) for entry in entries.split("|")] for run_id, entries in found if entries}


def _due(entry: str) -> Due:
    id_, segments, back, zones = entry.split(":")
    return Due(int(id_), int(segments), bool(back), zones)


def wait_for_opening(
    session: Session, run_id: int, zones: str, *, until: datetime, now: datetime, lead: timedelta = ENQUEUE_AHEAD
) -> int:
    """Let due batches wait until `until`, because the window has closed by the clocks of `zones`; return how many."""
    due = (
        batches.c.run_id == run_id,
        batches.c.state == BatchState.PLANNED,
        batches.c.not_before <= now + lead,
        batches.c.zones == zones,
    )
    return changed(
        session, sa.update(batches).where(*due).values(not_before=until, waits_for=WaitsFor.WINDOW, reason="")
    )


def queue_batches(session: Session, batch_ids: Collection[int], *, now: datetime) -> set[int]:
    """Mark planned batches as queued; return those that were still planned."""
    statement = move_batch(
        BatchState.QUEUED, batches.c.id.in_(batch_ids), batches.c.state == BatchState.PLANNED, queued_at=now
    )
    return set(session.scalars(statement.returning(batches.c.id)))


_COUNT_IN_DOUBT: Final = (
    sa.select(sa.func.count())
    .select_from(batches)
    .join(runs, runs.c.id == batches.c.run_id)
    .where(runs.c.account_id == sa.bindparam("b_account"), batches.c.state == BatchState.UNKNOWN, NOT_WAITING)
)


def has_too_much_in_doubt(session: Session, account_id: int) -> bool:
    """Return whether the account must not send before some of its requests in doubt are looked up."""
    in_doubt: int = session.connection().execute(_COUNT_IN_DOUBT, {"b_account": account_id}).scalar_one()
    return in_doubt >= DOUBTS_PER_ACCOUNT


def drainable_runs(session: Session, account_id: int) -> list[tuple[int, int]]:
    """Return (run id, definition id) of the account's running runs; none if it is paused or has too much in doubt."""
    if has_too_much_in_doubt(session, account_id):
        return []
    query = (
        sa.select(runs.c.id, runs.c.definition_id)
        .join(accounts, accounts.c.id == runs.c.account_id)
        .where(
            runs.c.account_id == account_id, runs.c.state == RunState.RUNNING, accounts.c.paused_by == PausedBy.NOBODY
        )
        .order_by(runs.c.id)
    )
    return [(run_id, definition_id) for run_id, definition_id in session.execute(query)]


def give_back(session: Session, batch_ids: Collection[int]) -> int:
    """Give these batches back, which have no job after all; return how many."""
    back = move_batch(
        BatchState.PLANNED, batches.c.state == BatchState.QUEUED, batches.c.id.in_(batch_ids), queued_at=None
    )
    return changed(session, back)


def snooze_batch(
    session: Session, batch_id: int, *, until: datetime | None, waits_for: WaitsFor, reason: str = ""
) -> None:
    """Let the batch wait until `until`, or for its own moment, which moves when the clock is put back.

    This never counts as an attempt. `reason` is for people.
    """
    session.execute(
        move_batch(
            BatchState.PLANNED,
            batches.c.id == batch_id,
            batches.c.state == BatchState.QUEUED,
            not_before=batches.c.moment if until is None else until,
            waits_for=waits_for,
            reason=reason,
        )
    )


_ANY_LOST: Final = sa.select(
    sa.exists().where(batches.c.state == BatchState.QUEUED, batches.c.queued_at <= sa.bindparam("b_until"), NOT_WAITING)
)


def any_lost(session: Session, now: datetime, *, age: timedelta = QUEUED_TOO_LONG) -> bool:
    """Return whether `requeue_lost` would find something."""
    return bool(session.connection().execute(_ANY_LOST, {"b_until": now - age}).scalar_one())


def requeue_lost(session: Session, now: datetime, *, age: timedelta = QUEUED_TOO_LONG) -> int:
    """Give back batches whose job nobody took within `age`; return how many."""
    lost = move_batch(
        BatchState.PLANNED, batches.c.state == BatchState.QUEUED, batches.c.queued_at <= now - age, queued_at=None
    )
    return changed(session, lost)


def requeue_runs(session: Session, run_ids: Collection[int]) -> int:
    """Give back all queued batches of these runs, whose queue ended with the process that held it; return how many."""
    lost = move_batch(
        BatchState.PLANNED, batches.c.state == BatchState.QUEUED, batches.c.run_id.in_(run_ids), queued_at=None
    )
    return changed(session, lost)
