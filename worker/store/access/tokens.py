"""Tokens of programs. The token itself is shown once, when it is made; only its digest is stored."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.access import Scope
from worker.store.access.secrets import LONGEST, digest, new_secret
from worker.store.bulk import insert_missing
from worker.store.tables import tokens as rows

MARK: Final = "smc_"
"""How every token begins, so that people and scanners of code recognise one."""

PREFIX_LENGTH: Final = 12
"""How much of a token is stored as it is, for people to recognise it by: 48 bits of its 256."""

USE_NOTED: Final = timedelta(minutes=1)
"""Between two notes of a token's last use: a write at each call would be one more for every text."""


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token. `recipients_daily`: how many people it may send to a day; None: any number."""

    id: int
    name: str
    prefix: str
    scopes: tuple[str, ...]
    recipients_daily: int | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    last_used_at: datetime | None


_FIELDS: Final = [rows.c[name] for name in TokenView.__dataclass_fields__]
_stands: Final = rows.c.ended_at.is_(None)


def create(
    session: Session,
    name: str,
    scopes: Collection[Scope],
    *,
    recipients_daily: int | None = None,
    expires_at: datetime | None = None,
    by: str,
    now: datetime,
) -> str:
    """Make a token and return it; empty if a token of this name stands. One that has ended is replaced."""
    secret = new_secret(MARK)
    values = {
        "name": name,
        "prefix": secret[:PREFIX_LENGTH],
        "digest": digest(secret),
        "scopes": sorted(scope.value for scope in scopes),
        "recipients_daily": recipients_daily,
        "created_at": now,
        "created_by": by,
        "expires_at": expires_at,
    }
    has_ended = sa.or_(rows.c.ended_at.is_not(None), rows.c.expires_at <= now)
    session.execute(sa.delete(rows).where(rows.c.name == name, has_ended))
    made = session.scalar(insert_missing(session, rows).values(values).returning(rows.c.id))
    return secret if made is not None else ""


def find(database: Session | sa.Connection, secret: str, *, now: datetime) -> TokenView | None:
    """Return the token with this secret if it is in force."""
    if not secret.startswith(MARK) or len(secret) > LONGEST:
        return None
    is_in_time = sa.or_(rows.c.expires_at.is_(None), rows.c.expires_at > now)
    row = database.execute(sa.select(*_FIELDS).where(rows.c.digest == digest(secret), _stands, is_in_time)).first()
    return None if row is None else _view(row)


def listed(database: Session | sa.Connection) -> list[TokenView]:
    """Return the tokens that nobody removed, by name; those whose time is over, too."""
    return [_view(row) for row in database.execute(sa.select(*_FIELDS).where(_stands).order_by(rows.c.name))]


def note_use(session: Session, id_: int, *, now: datetime) -> None:
    """Note that a token was used, unless that was noted less than a minute ago."""
    is_old = sa.or_(rows.c.last_used_at.is_(None), rows.c.last_used_at <= now - USE_NOTED)
    session.execute(sa.update(rows).where(rows.c.id == id_, is_old).values(last_used_at=now))


def is_use_to_note(last_used_at: datetime | None, *, now: datetime) -> bool:
    """Return whether a use is to be noted (`note_use`)."""
    return last_used_at is None or last_used_at <= now - USE_NOTED


def end(session: Session, name: str, *, now: datetime) -> bool:
    """End a token; return whether there was one."""
    ended = sa.update(rows).where(rows.c.name == name, _stands).values(ended_at=now).returning(rows.c.id)
    return session.scalar(ended) is not None


def _view(row: sa.Row[Any]) -> TokenView:
    return TokenView(**{**row._mapping, "scopes": tuple(row._mapping["scopes"])})
