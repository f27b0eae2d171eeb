"""What a run is still waiting for."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import BatchState
from worker.store import words
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
    counted = session.execute(
        sa.select(batches.c.state, sa.func.count()).where(batches.c.run_id == run_id).group_by(batches.c.state)
    ).all()
    due = session.execute(
        sa.select(batches.c.not_before, words.BATCH)
        .where(batches.c.run_id == run_id, batches.c.state == BatchState.PLANNED)
        .order_by(batches.c.not_before)
        .limit(1)
    ).first()
    paused = session.scalars(
        sa.select(words.ACCOUNT)
        .select_from(accounts)
        .join(runs, runs.c.account_id == accounts.c.id)
        .where(runs.c.id == run_id)
    ).one()
    by_state = {BatchState(state): count for state, count in counted}
    return Outlook(
        by_state,
        due[0] if due else None,
        due[1] if due else "",
        paused,
        unread(session, run_id) if BatchState.UNKNOWN in by_state else None,
    )
