"""Which batches are due, and whose job has to be put into the queue (again)."""

from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from campaigns.lifecycle import BatchState, RunState
from worker.store import hot
from worker.store.models import Account, Batch, Run
from worker.store.moves import changed, move_batch

QUEUED_TOO_LONG = timedelta(seconds=60)
"""A job that nobody took for so long was lost with its queue or worker. Too early is harmless: intents are guarded."""

DOUBTS_PER_ACCOUNT = 3
"""With so many batches in doubt an account sends nothing more until they are looked up: something is wrong there."""


def queue_due(session: Session, run_id: int, *, now: datetime, room: int) -> list[int]:
    """Mark up to `room` due batches of a running run as queued, minus those queued already; the ids to enqueue."""
    queued = session.exec(
        select(sa.func.count()).select_from(Batch).where(Batch.run_id == run_id, Batch.state == BatchState.QUEUED)
    ).one()
    if queued >= room:
        return []
    due = (
        select(Batch.id)
        .where(Batch.run_id == run_id, Batch.state == BatchState.PLANNED, col(Batch.not_before) <= now)
        .order_by(col(Batch.not_before), col(Batch.ordinal))
        .limit(room - queued)
    )
    statement = move_batch(
        BatchState.QUEUED, col(Batch.id).in_(due), col(Batch.state) == BatchState.PLANNED, queued_at=now
    )
    return sorted(session.scalars(statement.returning(col(Batch.id))))


def has_too_much_in_doubt(session: Session, account_id: int) -> bool:
    """Whether the account must not send before some of its requests in doubt are looked up."""
    in_doubt: int = session.connection().execute(hot.COUNT_IN_DOUBT, {"b_account": account_id}).scalar_one()
    return in_doubt >= DOUBTS_PER_ACCOUNT


def drainable_runs(session: Session, account_id: int) -> list[tuple[int, int]]:
    """(run id, definition id) of the account's running runs; none while it is paused or has too much in doubt."""
    if has_too_much_in_doubt(session, account_id):
        return []
    query = (
        select(Run.id, Run.definition_id)
        .join(Account, col(Account.id) == col(Run.account_id))
        .where(Run.account_id == account_id, Run.state == RunState.RUNNING, Account.paused_reason == "")
        .order_by(col(Run.id))
    )
    return [(run_id, definition_id) for run_id, definition_id in session.exec(query)]


def has_due(session: Session, run_id: int, *, now: datetime) -> bool:
    """Whether a batch of the run waits that may be sent now."""
    query = select(Batch.id).where(
        Batch.run_id == run_id, Batch.state == BatchState.PLANNED, col(Batch.not_before) <= now
    )
    return session.exec(query.limit(1)).first() is not None


def snooze_batch(session: Session, batch_id: int, *, until: datetime, reason: str) -> None:
    """Not now: the batch waits until then. Never counted as an attempt."""
    session.execute(
        move_batch(
            BatchState.PLANNED,
            col(Batch.id) == batch_id,
            col(Batch.state) == BatchState.QUEUED,
            not_before=until,
            reason=reason,
        )
    )


def any_lost(session: Session, now: datetime) -> bool:
    """Whether `requeue_lost` would find something."""
    query = select(Batch.id).where(Batch.state == BatchState.QUEUED, col(Batch.queued_at) <= now - QUEUED_TOO_LONG)
    return session.exec(query.limit(1)).first() is not None


def requeue_lost(session: Session, now: datetime, *, age: timedelta = QUEUED_TOO_LONG) -> int:
    """Give batches back whose job nobody took within `age`; how many."""
    lost = move_batch(
        BatchState.PLANNED, col(Batch.state) == BatchState.QUEUED, col(Batch.queued_at) <= now - age, queued_at=None
    )
    return changed(session, lost)


def requeue_runs(session: Session, run_ids: Collection[int]) -> int:
    """Give all queued batches of these runs back: their queue ended with the process that held it; how many."""
    lost = move_batch(
        BatchState.PLANNED, col(Batch.state) == BatchState.QUEUED, col(Batch.run_id).in_(run_ids), queued_at=None
    )
    return changed(session, lost)
