"""What the drain tick does to one run: it queues as many due batches as there is room for."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import BatchState
from worker.store.models import Batch
from worker.store.sending import queue


def queue_due(session: Session, run_id: int, *, now: datetime, room: int = 100) -> list[int]:
    """Queue due batches until `room` of the run are queued; return the ids of the new ones, in order."""
    mine = sa.select(sa.func.count()).select_from(Batch).filter_by(run_id=run_id, state=BatchState.QUEUED)
    due = queue.due_batches(session, [run_id], now=now, most=max(0, room - session.scalars(mine).one()))
    return sorted(queue.queue_batches(session, [batch.id for batch in due.get(run_id, ())], now=now))
