"""Replies that a person must read."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.optout import Meaning
from worker.store.people.stored_replies import Reply, answers
from worker.store.tables import replies
from worker.store.transitions import changed

WAITS: Final[tuple[sa.ColumnElement[bool], ...]] = (
    replies.c.reviewed_at.is_(None),
    replies.c.meaning.in_(
        sa.bindparam("b_waits", [Meaning.REVIEW.value, Meaning.STOP.value], expanding=True, literal_execute=True)
    ),
)
"""Possible stops, and stops from unknown senders: word for word as in their index."""


def waiting_reviews(session: Session) -> list[Reply]:
    """Return the replies that a person must read, the oldest first."""
    return answers(session, *WAITS)


def count_waiting(session: Session) -> int:
    """Return how many replies a person must read."""
    return session.scalar(sa.select(sa.func.count()).select_from(replies).where(*WAITS)) or 0


def mark_reviewed(session: Session, ids: Collection[int], now: datetime) -> int:
    """Record that a person has read these replies; return how many of them were waiting for that."""
    return changed(session, sa.update(replies).where(replies.c.id.in_(ids), *WAITS).values(reviewed_at=now))
