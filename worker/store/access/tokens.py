"""Tokens of programs. The token itself is shown once, when it is made; only its digest is stored."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from secrets import token_urlsafe
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.access import Scope
from worker.store.tables import tokens as rows

MARK: Final = "smc_"
"""How every token begins, so that people and scanners of code recognise one."""

SECRET_BYTES: Final = 32
PREFIX_LENGTH: Final = 12
"""How much of a token is stored as it is, for people to recognise it by: 48 bits of its 256."""

LONGEST: Final = 200
"""Of what is looked up: nothing longer can be a token."""


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token in force. `recipients_daily`: how many people it may send to a day; None: any number."""

    id: int
    name: str
    prefix: str
    scopes: tuple[str, ...]
    recipients_daily: int | None


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
    """Make a token and return it. Raises `sqlalchemy.exc.IntegrityError` if the name is taken."""
    secret = MARK + token_urlsafe(SECRET_BYTES)
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
    session.execute(sa.insert(rows).values(values))
    return secret


def find(session: Session, secret: str, *, now: datetime) -> TokenView | None:
    """Return the token with this secret if it is in force. It is found by its digest, so no comparison tells of it."""
    if not secret.startswith(MARK) or len(secret) > LONGEST:
        return None
    columns = (rows.c[name] for name in TokenView.__dataclass_fields__)
    query = sa.select(*columns).where(
        rows.c.digest == digest(secret),
        rows.c.ended_at.is_(None),
        sa.or_(rows.c.expires_at.is_(None), rows.c.expires_at > now),
    )
    row = session.execute(query).first()
    return None if row is None else TokenView(row[0], row[1], row[2], tuple(row[3]), row[4])


def digest(secret: str) -> str:
    """Return what a token is found by. It has 256 random bits, so nothing slower than SHA-256 is needed."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
