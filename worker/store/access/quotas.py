"""How many people a token may send to in a day (UTC). What it used is kept beside it, so that asking counts nothing."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.tables import tokens
from worker.store.transitions import changed


def take(session: Session, token: str, people: int, *, now: datetime) -> bool:
    """Count `people` to whom the token with this name sends, if the transaction commits. False: its quota has no room.

    A token without a quota, or one that is gone, is not counted.
    """
    today = now.astimezone(UTC).date()
    used = sa.case((tokens.c.used_on == today, tokens.c.used_recipients), else_=0) + people
    counted = sa.update(tokens).where(tokens.c.name == token, used <= tokens.c.recipients_daily)
    if changed(session, counted.values(used_on=today, used_recipients=used)):
        return True
    return not has_quota(session, token)


def has_quota(session: Session, token: str) -> bool:
    """Return whether there is a token with this name that may send to a limited number of people."""
    quota = sa.select(tokens.c.id).where(tokens.c.name == token, tokens.c.recipients_daily.is_not(None))
    return session.scalars(quota).first() is not None
