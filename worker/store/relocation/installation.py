"""Which installation a database is: a name that is made with it, and that no other database has."""

import secrets
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.bulk import insert_missing
from worker.store.tables import installations


@dataclass(frozen=True, slots=True)
class InstallationName:
    """The name of a database, and since when it has had it."""

    name: str
    since: datetime


def installation(session: Session) -> InstallationName | None:
    """Return which installation this database is; None if it has no name yet."""
    row = session.execute(sa.select(installations.c.name, installations.c.since)).first()
    return InstallationName(*row) if row else None


def installation_name(session: Session) -> str:
    """Return the name of this database; empty if it has none yet."""
    known = installation(session)
    return known.name if known else ""


def ensure_installation(session: Session, *, now: datetime) -> str:
    """Return the name of this database, making one if it has none."""
    name = installation_name(session)
    if not name:
        row = {"id": 1, "name": secrets.token_hex(8), "since": now}
        session.execute(insert_missing(session, installations).values(row))
        name = installation_name(session)  # if several processes start at once, one was first
    return name


def become(session: Session, name: str, *, now: datetime) -> None:
    """Give this database the name of the one that it replaces."""
    session.execute(sa.delete(installations))
    session.execute(sa.insert(installations).values(id=1, name=name, since=now))
