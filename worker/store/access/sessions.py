"""Browsers that have signed in. The cookie is a random text, of which only the digest is stored."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.access import Role
from worker.store.access.secrets import LONGEST, digest, new_secret
from worker.store.tables import users
from worker.store.tables import web_sessions as rows

IDLE: Final = timedelta(hours=8)
"""A session that nobody uses for this long ends."""

LONGEST_SESSION: Final = timedelta(days=7)
"""Every session ends then."""

SEEN_NOTED: Final = timedelta(minutes=1)
"""Between two notes of a session's last use."""


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session in force: who signed in, and the role that the user has now."""

    name: str
    role: Role
    seen_at: datetime


def create(session: Session, user_id: int | None, name: str, role: Role, *, now: datetime) -> str:
    """Begin a session and return its secret. `user_id` None: of the first-run link, in force while there is no user.

    Sessions that ended long ago are forgotten.
    """
    secret = new_secret()
    session.execute(sa.delete(rows).where(rows.c.created_at < now - 2 * LONGEST_SESSION))
    values = {"digest": digest(secret), "user_id": user_id, "name": name, "role": role}
    session.execute(sa.insert(rows).values(created_at=now, seen_at=now, **values))
    return secret


_of_user = sa.and_(users.c.id.is_not(None), users.c.disabled_at.is_(None), rows.c.created_at >= users.c.password_at)
_is_nobody_there = ~sa.exists(sa.select(users.c.id).where(users.c.disabled_at.is_(None)).correlate(None))
_FIND: Final = (
    sa.select(rows.c.name, sa.func.coalesce(users.c.role, rows.c.role, type_=rows.c.role.type), rows.c.seen_at)
    .outerjoin(users, users.c.id == rows.c.user_id)
    .where(
        rows.c.digest == sa.bindparam("b_digest"),
        rows.c.ended_at.is_(None),
        rows.c.seen_at > sa.bindparam("b_seen", type_=rows.c.seen_at.type),
        rows.c.created_at > sa.bindparam("b_created", type_=rows.c.created_at.type),
        sa.or_(_of_user, sa.and_(rows.c.user_id.is_(None), _is_nobody_there)),
    )
)
"""Built once: a hundred open pages ask it ten times a second."""


def find(database: Session | sa.Connection, secret: str, *, now: datetime) -> SessionView | None:
    """Return the session with this secret if it is in force."""
    if not secret or len(secret) > LONGEST:
        return None
    values = {"b_digest": digest(secret), "b_seen": now - IDLE, "b_created": now - LONGEST_SESSION}
    row = database.execute(_FIND, values).first()
    return None if row is None else SessionView(*row)


def is_seen_to_note(seen_at: datetime, *, now: datetime) -> bool:
    """Return whether a use is to be noted (`note_seen`)."""
    return seen_at <= now - SEEN_NOTED


def note_seen(session: Session, secret: str, *, now: datetime) -> None:
    """Note that a session was used: it ends later for it."""
    is_old = rows.c.digest == digest(secret), rows.c.seen_at <= now - SEEN_NOTED
    session.execute(sa.update(rows).where(*is_old).values(seen_at=now))


def end(session: Session, secret: str, *, now: datetime) -> None:
    """End the session with this secret, if there is one."""
    session.execute(_ending(now).where(rows.c.digest == digest(secret)))


def end_all_of(session: Session, user_id: int, *, now: datetime) -> None:
    """End every session of a user."""
    session.execute(_ending(now).where(rows.c.user_id == user_id))


def end_first_run(session: Session, *, now: datetime) -> None:
    """End the sessions of the first-run link for good: once there was a user, none of them counts again."""
    session.execute(_ending(now).where(rows.c.user_id.is_(None)))


def _ending(now: datetime) -> sa.Update:
    return sa.update(rows).where(rows.c.ended_at.is_(None)).values(ended_at=now)
