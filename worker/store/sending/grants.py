"""What was granted to requests: the records that limits are rebuilt from. Also batches that wait for a budget."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import WaitsFor
from campaigns.lifecycle import BatchState
from worker.store.tables import attempts, batches, runs
from worker.store.transitions import changed, move_batch

WAITING: Final = (WaitsFor.BUDGET, WaitsFor.THROTTLE, WaitsFor.PRICE)
"""Waits that a changed limit may end."""

NO_TARGET: Final = ""
"""The target of a request that names no device."""


def of_account(account_id: int) -> sa.ColumnElement[bool]:
    """Match the requests of an account."""
    return sa.exists().where(runs.c.id == attempts.c.run_id, runs.c.account_id == account_id)


def of_run(run_id: int) -> sa.ColumnElement[bool]:
    """Match the requests of a run."""
    return sa.and_(attempts.c.run_id == run_id)


def of_target(account_id: int, target: str) -> sa.ColumnElement[bool]:
    """Match the requests that went to a device or SIM (`2|0`); `NO_TARGET`: to the primary device."""
    return sa.and_(of_account(account_id), attempts.c.target == target)


def of_any_target(account_id: int) -> sa.ColumnElement[bool]:
    """Match requests whose device the gateway chose, and those to the primary device, which look the same here."""
    is_open = sa.or_(attempts.c.target == NO_TARGET, attempts.c.target.contains(","))
    return sa.and_(of_account(account_id), is_open)


def granted_sum(session: Session, whose: sa.ColumnElement[bool], *, since: datetime, until: datetime) -> int:
    """Return the segments granted to these requests from `since` on and before `until`; not those proven not sent."""
    query = sa.select(sa.func.coalesce(sa.func.sum(attempts.c.segments), 0)).where(
        whose, _counts, attempts.c.granted_at >= since, attempts.c.granted_at < until
    )
    return int(session.connection().execute(query).scalar_one())


def granted_since(
    session: Session, whose: sa.ColumnElement[bool], *, since: datetime, by_second: bool
) -> list[tuple[datetime, int]]:
    """Return moments after `since` and the segments granted then, in order, without those proven not sent.

    Grants within one second (or else millisecond) are merged, at the last of their moments: of a million attempts in an
    hour, 3,600 rows are read.
    """
    moment = attempts.c.granted_at
    if session.connection().dialect.name == "postgresql":
        slot: sa.ColumnElement[object] = sa.func.date_trunc("second" if by_second else "milliseconds", moment)
    else:
        slot = sa.func.substr(moment, 1, len("2026-12-01 09:00:00") if by_second else len("2026-12-01 09:00:00.000"))
    last = sa.func.max(moment).label("last")
    query = (
        sa.select(last, sa.func.sum(attempts.c.segments))
        .where(whose, _counts, moment > since)
        .group_by(slot)
        .order_by(last)
    )
    return [(at, int(segments)) for at, segments in session.connection().execute(query)]


_counts = sa.and_(attempts.c.granted_at.is_not(None), attempts.c.outcome != "not_sent")


def postpone_run(
    session: Session,
    run_id: int,
    *,
    until: datetime,
    target: str = "",
    waits_for: WaitsFor = WaitsFor.BUDGET,
    reason: str = "",
) -> int:
    """Let all batches of a run wait for the end of its spent budget's period; return how many waited less before.

    `target`: only those that are planned for this device.
    """
    longer = {"not_before": until, "waits_for": waits_for, "reason": reason}
    its = (batches.c.run_id == run_id, *([batches.c.target == target] if target else []))
    queued = move_batch(BatchState.PLANNED, *its, batches.c.state == BatchState.QUEUED, **longer)
    planned = sa.update(batches).where(*its, batches.c.state == BatchState.PLANNED, batches.c.not_before < until)
    if waits_for is WaitsFor.BUDGET:  # who has no price needs a person, whatever the budget has room for
        planned = planned.where(batches.c.waits_for != WaitsFor.PRICE)
    return changed(session, queued) + changed(session, planned.values(**longer))


def wake_run(session: Session, run_id: int, *, now: datetime) -> int:
    """Make batches due again that wait for the run's own limits, which were changed; return how many."""
    return _wake(session, batches.c.run_id == run_id, now)


def wake_spent(session: Session, account_id: int, *, now: datetime) -> int:
    """Make batches due again that wait for any limit, because one was changed; return how many."""
    return _wake(session, batches.c.run_id.in_(sa.select(runs.c.id).where(runs.c.account_id == account_id)), now)


def ask_again(session: Session, account_ids: Collection[int]) -> None:
    """Make batches due again that wait for a budget of these accounts, because a phone has room for people again."""
    if account_ids:
        whose = batches.c.run_id.in_(sa.select(runs.c.id).where(runs.c.account_id.in_(account_ids)))
        waits = (batches.c.state == BatchState.PLANNED, batches.c.waits_for == WaitsFor.BUDGET)
        session.execute(sa.update(batches).where(whose, *waits).values(not_before=batches.c.moment))


def _wake(session: Session, whose: sa.ColumnElement[bool], now: datetime) -> int:
    # Too early is harmless: a batch that must still wait is told so when it asks.
    waiting = (batches.c.state == BatchState.PLANNED, batches.c.not_before > now, batches.c.waits_for.in_(WAITING))
    due = sa.case((batches.c.moment > now, batches.c.moment), else_=sa.literal(now, batches.c.moment.type))
    return changed(session, sa.update(batches).where(whose, *waiting).values(not_before=due))
