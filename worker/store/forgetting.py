"""What nobody needs any more: told notices, and what phones did long ago. Nothing that a promise or a `why` goes by."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from worker.store.events import EventName
from worker.store.models import Event, Notice, Run
from worker.store.moves import changed

AT_ONCE: Final = 1_000
"""So many rows are forgotten in one transaction: some milliseconds, for which no intent has to wait for long."""


def old_notices(session: Session, before: datetime) -> list[int]:
    """The oldest notices that ended before then, a part of them.

    Not those of runs that were not over by then: their keys keep the same news from being told twice.
    """
    is_over = sa.or_(col(Notice.run_id).is_(None), col(Run.finished_at) < before)
    query = (
        select(Notice.id)
        .outerjoin(Run, col(Run.id) == col(Notice.run_id))
        .where(col(Notice.ended_at) < before, is_over)
        .order_by(col(Notice.id))
    )
    return list(session.exec(query.limit(AT_ONCE)))


def old_events(session: Session, names: Collection[EventName], before: datetime) -> list[int]:
    """The oldest events with these names that happened before then, a part of them."""
    query = select(Event.id).where(col(Event.name).in_(sorted(names)), col(Event.at) < before).order_by(col(Event.id))
    return list(session.exec(query.limit(AT_ONCE)))


def forget(session: Session, *, notices: Sequence[int], events: Sequence[int]) -> int:
    """Delete these rows; how many were there."""
    gone = changed(session, sa.delete(Notice).where(col(Notice.id).in_(notices), col(Notice.ended_at).is_not(None)))
    return gone + changed(session, sa.delete(Event).where(col(Event.id).in_(events)))
