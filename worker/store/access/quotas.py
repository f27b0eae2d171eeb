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
    mine = (tokens.c.name == token, tokens.c.recipients_daily.is_not(None))
    counted = sa.update(tokens).where(*mine, used <= tokens.c.recipients_daily)
    if changed(session, counted.values(used_on=today, used_recipients=used)):
        return True
    return session.scalars(sa.select(tokens.c.id).where(*mine)).first() is None
