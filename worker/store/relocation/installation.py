"""Which installation a database is: a name that is made with it, and that no other one has."""

import secrets
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.bulk import insert_missing
from worker.store.tables import installations


@dataclass(frozen=True, slots=True)
class InstallationName:
    """The name of a database, and since when it has it."""

    name: str
    since: datetime


def installation(session: Session) -> InstallationName | None:
    """Which installation this database is; None: it has no name yet."""
    row = session.execute(sa.select(installations.c.name, installations.c.since)).first()
    return InstallationName(*row) if row else None


def installation_name(session: Session) -> str:
    """The name of this database; empty where it has none yet."""
    known = installation(session)
    return known.name if known else ""


def ensure_installation(session: Session, *, now: datetime) -> str:
    """The name of this database, made where it has none."""
    name = installation_name(session)
    if not name:
        row = {"id": 1, "name": secrets.token_hex(8), "since": now}
        session.execute(insert_missing(session, installations).values(row))
        name = installation_name(session)  # of processes that start at once one was first
    return name


def become(session: Session, name: str, *, now: datetime) -> None:
    """This database takes the place of the one with this name."""
    session.execute(sa.delete(installations))
    session.execute(sa.insert(installations).values(id=1, name=name, since=now))
