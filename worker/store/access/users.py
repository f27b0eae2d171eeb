"""People who sign in. A removed user stays as a disabled row, because the audit names it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.access import Role
from worker.store.access.sessions import end_all_of, end_first_run
from worker.store.bulk import insert_missing
from worker.store.tables import users as rows


@dataclass(frozen=True, slots=True)
class UserView:
    """Somebody who may sign in, or whom a trusted proxy may name; `created_by`: the actor's name."""

    id: int
    name: str
    role: Role
    created_at: datetime
    created_by: str
    password_at: datetime


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a password is checked against. An empty hash: no password signs this user in."""

    user_id: int
    role: Role
    password_hash: str


_FIELDS: Final = [rows.c[name] for name in UserView.__dataclass_fields__]
_counts: Final = rows.c.disabled_at.is_(None)


def add(session: Session, name: str, role: Role, password_hash: str, *, by: str, now: datetime) -> bool:
    """Add a user, or bring back a removed one; False: there is one of this name.

    The sessions of the first-run link end.
    """
    end_first_run(session, now=now)
    values: dict[str, Any] = {
        "role": role,
        "password_hash": password_hash,
        "created_at": now,
        "created_by": by,
        "password_at": now,
    }
    removed = sa.update(rows).where(rows.c.name == name, ~_counts).values(disabled_at=None, **values)
    if session.scalar(removed.returning(rows.c.id)) is not None:
        return True
    added = insert_missing(session, rows).values(name=name, **values).returning(rows.c.id)
    return session.scalar(added) is not None


def is_anybody(database: Session | sa.Connection) -> bool:
    """Return whether there is a user."""
    return database.scalar(sa.select(rows.c.id).where(_counts).limit(1)) is not None


def is_last_admin(database: Session | sa.Connection, name: str) -> bool:
    """Return whether this user is an admin, and nobody else is."""
    admins = database.scalars(sa.select(rows.c.name).where(_counts, rows.c.role == Role.ADMIN).limit(2)).all()
    return list(admins) == [name]


def find(database: Session | sa.Connection, name: str) -> UserView | None:
    """Return the user of this name."""
    row = database.execute(sa.select(*_FIELDS).where(rows.c.name == name, _counts)).first()
    return None if row is None else UserView(*row)


def listed(database: Session | sa.Connection) -> list[UserView]:
    """Return every user, by name."""
    return [UserView(*row) for row in database.execute(sa.select(*_FIELDS).where(_counts).order_by(rows.c.name))]


def credentials(database: Session | sa.Connection, name: str, *, lock: bool = False) -> Credentials | None:
    """Return what a user signs in with; `lock`: nobody changes it before the transaction ends."""
    query = sa.select(rows.c.id, rows.c.role, rows.c.password_hash).where(rows.c.name == name, _counts)
    row = database.execute(query.with_for_update(read=True) if lock else query).first()
    return None if row is None else Credentials(*row)


def set_role(session: Session, name: str, role: Role) -> bool:
    """Change a role, also for the sessions that go on; return whether there is such a user."""
    return _change(session, name, role=role) is not None


def set_password(session: Session, name: str, password_hash: str, *, now: datetime) -> bool:
    """Change a password and end every session of the user; return whether there is such a user."""
    return _end_sessions(session, _change(session, name, password_hash=password_hash, password_at=now), now=now)


def remove(session: Session, name: str, *, now: datetime) -> bool:
    """Disable a user and end every session; return whether there was such a user."""
    return _end_sessions(session, _change(session, name, disabled_at=now), now=now)


def _change(session: Session, name: str, **values: Any) -> int | None:
    statement = sa.update(rows).where(rows.c.name == name, _counts).values(**values)
    id_: int | None = session.scalar(statement.returning(rows.c.id))
    return id_


def _end_sessions(session: Session, user_id: int | None, *, now: datetime) -> bool:
    if user_id is not None:
        end_all_of(session, user_id, now=now)
    return user_id is not None
