"""What a run is still waiting for."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from campaigns.lifecycle import BatchState
from worker.store import words
from worker.store.doubts import Unread, unread
from worker.store.models import Account, Batch, Run


@dataclass(frozen=True, slots=True)
class Outlook:
    """The batches of a run by state, the next one that waits, and why the account sends nothing (empty: it does).

    `unread`: a request in doubt about which the gateway could not be asked.
    """

    batches: dict[BatchState, int]
    next_due_at: datetime | None
    next_reason: str
    account_reason: str
    unread: Unread | None = None


def outlook(session: Session, run_id: int) -> Outlook:
    """Look at one run."""
    counted = session.exec(
        select(Batch.state, sa.func.count()).where(Batch.run_id == run_id).group_by(col(Batch.state))
    ).all()
    due = session.exec(
        select(Batch.not_before, words.BATCH)
        .where(Batch.run_id == run_id, Batch.state == BatchState.PLANNED)
        .order_by(col(Batch.not_before))
        .limit(1)
    ).first()
    paused = session.exec(
        select(words.ACCOUNT)
        .select_from(Account)
        .join(Run, col(Run.account_id) == col(Account.id))
        .where(Run.id == run_id)
    ).one()
    batches = {BatchState(state): count for state, count in counted}
    return Outlook(
        batches,
        due[0] if due else None,
        due[1] if due else "",
        paused,
        unread(session, run_id) if BatchState.UNKNOWN in batches else None,
    )
