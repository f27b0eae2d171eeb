"""What nobody needs any more: delivered notices and old events of phones. No promise and no `why` relies on it."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.events import EventName
from worker.store.tables import calls_out, events, notices, runs
from worker.store.transitions import changed

AT_ONCE: Final = 1_000
"""How many rows are deleted in one transaction: it takes some milliseconds, so no intent waits for long."""


def old_notices(session: Session, before: datetime) -> list[int]:
    """Return some of the oldest notices that ended before `before`.

    Those of runs that were not over by then are left out: their keys keep the same news from being reported twice.
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
    """Return some of the oldest events with these names that happened before `before`."""
    query = sa.select(events.c.id).where(events.c.name.in_(sorted(names)), events.c.at < before).order_by(events.c.id)
    return list(session.scalars(query.limit(AT_ONCE)))


def old_calls(session: Session, before: datetime) -> list[int]:
    """Return some of the oldest calls out that were made before `before`, whatever became of their notices.

    On PostgreSQL whole months of them are dropped before (`worker.store.kept.months`): few are left.
    """
    query = sa.select(calls_out.c.id).where(calls_out.c.at < before).order_by(calls_out.c.at)
    return list(session.scalars(query.limit(AT_ONCE)))


def forget(
    session: Session, *, notice_ids: Sequence[int], event_ids: Sequence[int], call_ids: Sequence[int] = ()
) -> int:
    """Delete these rows; return how many there were."""
    gone = changed(session, sa.delete(notices).where(notices.c.id.in_(notice_ids), notices.c.ended_at.is_not(None)))
    gone += changed(session, sa.delete(calls_out).where(calls_out.c.id.in_(call_ids)))
    return gone + changed(session, sa.delete(events).where(events.c.id.in_(event_ids)))
