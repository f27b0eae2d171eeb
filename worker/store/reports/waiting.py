"""What a run is still waiting for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import WaitsFor
from campaigns.lifecycle import BatchState
from worker.store import words
from worker.store.kept.counting import BATCH, Kept
from worker.store.reports.counts import kept
from worker.store.sending.doubts import Unread, unread
from worker.store.tables import accounts, batches, runs


@dataclass(frozen=True, slots=True)
class Outlook:
    """The batches of a run by state, the next one waiting, and why the account sends nothing (empty: it does).

    `unread`: a request in doubt that the gateway could not be asked about.
    """

    batches: dict[BatchState, int]
    next_due_at: datetime | None
    next_reason: str
    account_reason: str
    unread: Unread | None = None


def outlook(session: Session, run_id: int) -> Outlook:
    """Look at one run."""
    return outlooks(session, kept(session, [run_id]))[run_id]


def outlooks(session: Session, figures: Mapping[int, Kept]) -> dict[int, Outlook]:
    """Look at each run, by what is kept about it."""
    reasons = {row[0]: row[1] for row in session.execute(_PAUSED, {"b_runs": list(figures)})}
    return {id_: _outlook(session, id_, mine, reasons[id_]) for id_, mine in figures.items()}


_PAUSED: Final = (
    sa.select(runs.c.id, words.ACCOUNT)
    .select_from(runs.join(accounts, runs.c.account_id == accounts.c.id))
    .where(runs.c.id.in_(sa.bindparam("b_runs", expanding=True)))
)


def _outlook(session: Session, run_id: int, figures: Kept, account_reason: str) -> Outlook:
    counted = ((state, figures.get(BATCH + state, (0, 0))[0]) for state in BatchState)
    by_state = {state: count for state, count in counted if count}
    due = None
    if BatchState.PLANNED in by_state:
        due = session.execute(
            sa.select(batches.c.not_before, words.BATCH)
            .where(batches.c.run_id == run_id, batches.c.state == BatchState.PLANNED)
            .order_by(batches.c.not_before)
            .limit(1)
        ).first()
    return Outlook(
        by_state,
        due[0] if due else None,
        due[1] if due else "",
        account_reason,
        unread(session, run_id) if BatchState.UNKNOWN in by_state else None,
    )


class PutOff(NamedTuple):
    """Texts of a run that wait for a budget, or for prices. `until` None: it is asked again every minute."""

    until: datetime | None
    reason: str
    people: int


MOST_REASONS: Final = 5
"""Budgets of phones end with the month, those of money with the day, too: there are hardly more."""

ASKED_AGAIN: Final = timedelta(minutes=1)
"""Batches that come back sooner than this have met another request, and no spent budget."""


def put_off(session: Session, run_id: int, *, now: datetime) -> list[PutOff]:
    """Return what texts of a run wait for besides their turn, the soonest first."""
    is_spent = sa.and_(batches.c.waits_for == WaitsFor.BUDGET, batches.c.not_before > now + ASKED_AGAIN)
    is_priceless = batches.c.waits_for == WaitsFor.PRICE
    until = sa.case((is_priceless, sa.null()), else_=batches.c.not_before)
    waiting = (
        sa.select(until.label("until"), words.BATCH.label("reason"), batches.c.recipients)
        .where(batches.c.run_id == run_id, batches.c.state == BatchState.PLANNED, sa.or_(is_spent, is_priceless))
        .subquery()
    )
    why = waiting.c.until, waiting.c.reason
    found = sa.select(*why, sa.func.sum(waiting.c.recipients)).group_by(*why).order_by(*why).limit(MOST_REASONS)
    return [PutOff(at, reason, int(people)) for at, reason, people in session.execute(found)]
