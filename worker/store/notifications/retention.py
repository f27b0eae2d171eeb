"""What nobody needs any more: told notices, and what phones did long ago. Nothing that a promise or a `why` goes by."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.events import EventName
from worker.store.tables import events, notices, runs
from worker.store.transitions import changed

AT_ONCE: Final = 1_000
"""So many rows are forgotten in one transaction: some milliseconds, for which no intent has to wait for long."""


def old_notices(session: Session, before: datetime) -> list[int]:
    """The oldest notices that ended before then, a part of them.

    Not those of runs that were not over by then: their keys keep the same news from being told twice.
    """
    is_over = sa.or_(notices.c.run_id.is_(None), runs.c.finished_at < before)
    query = (
        sa.select(notices.c.id)
        .outerjoin(runs, runs.c.id == notices.c.run_id)
        .where(notices.c.ended_at < before, is_over)
        .order_by(notices.c.id)
    )
    return list(session.scalars(query.limit(AT_ONCE)))


def old_events(session: Session, names: Collection[EventName], before: datetime) -> list[int]:
    """The oldest events with these names that happened before then, a part of them."""
    query = sa.select(events.c.id).where(events.c.name.in_(sorted(names)), events.c.at < before).order_by(events.c.id)
    return list(session.scalars(query.limit(AT_ONCE)))


def forget(session: Session, *, notice_ids: Sequence[int], event_ids: Sequence[int]) -> int:
    """Delete these rows; how many were there."""
    gone = changed(session, sa.delete(notices).where(notices.c.id.in_(notice_ids), notices.c.ended_at.is_not(None)))
    return gone + changed(session, sa.delete(events).where(events.c.id.in_(event_ids)))
