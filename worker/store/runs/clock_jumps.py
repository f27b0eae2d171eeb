"""The wall clock was set forward or back: moments that end pauses are moved by the same amount.

Moments that people chose are not moved: when a campaign begins, a batch is due or late, a budget or a window ends. A
campaign without a start of its own has no such moment: it began when its file was dropped.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import WaitsFor
from campaigns.lifecycle import BatchState
from campaigns.protocol.verdicts import Verdict
from worker.store.models import AttemptState
from worker.store.sending.account_limits import RECEIPTS
from worker.store.sending.doubts import UNREAD
from worker.store.tables import accounts, attempts, batches, ceilings, groups, notices, retries, runs, unsubscriptions

PAUSES: Final = (
    (groups, "next_poll_at"),
    (retries, "due_at"),
    (retries, "next_look_at"),
    (accounts, "next_probe_at"),
    (notices, "next_try_at"),
    (unsubscriptions, "next_try_at"),
)

_OWN_TIME: Final = (WaitsFor.NOTHING, WaitsFor.BUDGET, WaitsFor.WINDOW)
"""A batch that waits for one of these waits for a time of day, not for the end of a pause."""


def begun_when_dropped(session: Session) -> list[tuple[int, int]]:
    """Return the ids of unfinished runs whose start is when they were created, with those of their definitions."""
    its = (runs.c.starts_at == runs.c.created_at, runs.c.finished_at.is_(None))
    return [
        (id_, definition_id)
        for id_, definition_id in session.execute(sa.select(runs.c.id, runs.c.definition_id).where(*its))
    ]


def move_pauses(
    session: Session,
    by: timedelta,
    *,
    now: datetime,
    by_new_clock: tuple[datetime, datetime],
    without_start: Collection[int] = (),
) -> None:
    """Move pauses: the clock shows `now`, and jumped by `by`. `without_start`: runs that began when they were dropped.

    `by_new_clock`: the first and the last `send_by` that requests may have that were made after the jump, and before it
    was noticed. These stay: moved forward, one in doubt waited for those hours, and moved back it could be believed
    absent at once. One that happens to be as old is believed absent later than it might be, which does no harm.

    A request in doubt keeps the time that it is given to show up: after a jump forward it would be believed absent too
    early, and after a jump back it would keep others waiting that much longer. Anything else that is due early is
    harmless: it is only looked at.
    """
    in_doubt = sa.and_(attempts.c.state != AttemptState.CLOSED, ~attempts.c.send_by.between(*by_new_clock))
    _move(session, attempts, "next_check_at", by, sa.or_(in_doubt, attempts.c.outcome == Verdict.MISSED.value))
    _move(session, attempts, "send_by", by, in_doubt)  # last: it says which ones
    looked = sa.select(attempts.c.id, attempts.c.evidence).where(attempts.c.state == AttemptState.UNKNOWN)
    for id_, evidence in session.execute(looked).all():
        # What was seen by the old clock is not one of the looks that prove something after the settling time.
        rest = {key: value for key, value in evidence.items() if key not in {"looks", UNREAD}}
        session.execute(sa.update(attempts).where(attempts.c.id == id_).values(evidence=rest))
    if by > timedelta(0):
        return
    for table, name in PAUSES:
        _move(session, table, name, by, table.c[name] > now)
    _move(session, runs, "sent_at", by, runs.c.sent_at > now, runs.c.finished_at.is_(None))  # following ends after it
    _move(session, ceilings, "until", by, ceilings.c.source == RECEIPTS, ceilings.c.until > now)
    # By the later clock it has no age, and a lost job would be noticed once that has passed.
    _move(session, batches, "queued_at", by, batches.c.state == BatchState.QUEUED, batches.c.queued_at > now)
    _move_what_was_due(session, by, now=now, run_ids=without_start)
    waits = batches.c.state.in_([BatchState.PLANNED, BatchState.QUEUED]), batches.c.waits_for.not_in(_OWN_TIME)
    _move(session, batches, "not_before", by, *waits, batches.c.not_before > now, least=batches.c.moment)


def _move_what_was_due(session: Session, by: timedelta, *, now: datetime, run_ids: Collection[int]) -> None:
    """The clock was put back: these runs, and their batches, stay as due as they were."""
    its = (batches.c.run_id.in_(run_ids), batches.c.state.in_([BatchState.PLANNED, BatchState.QUEUED]))
    _move(session, batches, "moment", by, *its, batches.c.moment > now)
    _move(session, batches, "latest", by, *its, batches.c.latest > now)
    idle = (*its, batches.c.waits_for == WaitsFor.NOTHING)
    _move(session, batches, "not_before", by, *idle, batches.c.not_before > now, least=batches.c.moment)
    unbegun = (runs.c.id.in_(run_ids), runs.c.started_at.is_(None))
    for name in ("starts_at", "created_at"):  # both, or it would look like one with a start of its own
        _move(session, runs, name, by, *unbegun, runs.c[name] > now)


def _move(
    session: Session,
    table: sa.Table,
    name: str,
    by: timedelta,
    *where: sa.ColumnElement[bool],
    least: sa.ColumnElement[datetime] | None = None,
) -> None:
    at = table.c[name]
    no_less = at if least is None else least
    found = session.execute(sa.select(table.c.id, at, no_less).where(at.is_not(None), *where)).all()
    rows = [
        {"b_id": id_, "b_at": moment + by if least is None else max(moment + by, bound)} for id_, moment, bound in found
    ]
    if rows:
        moved = sa.update(table).where(table.c.id == sa.bindparam("b_id"))
        session.connection().execute(moved.values({name: sa.bindparam("b_at", type_=at.type)}), rows)
