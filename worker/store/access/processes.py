"""Which processes of the service are there: each says so every few seconds, and takes its leave when it ends."""

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.tables import service_processes as rows
from worker.store.transitions import changed

SEEN_EVERY: Final = timedelta(seconds=15)
"""Between two notes that a process is there: one write for each of them."""

FORGOTTEN_AFTER: Final = timedelta(days=1)
"""A process that was killed took no leave. For a day people see that it was there."""


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """A process: the command that it runs (`role`), where, its version, since when, and when it last said so."""

    id: int
    role: str
    host: str
    pid: int
    version: str
    started_at: datetime
    seen_at: datetime


def arrive(session: Session, *, role: str, host: str, pid: int, version: str, now: datetime) -> int:
    """Note that a process is there; return its row. One of the same host and id is gone, and so are those of old."""
    session.execute(
        sa.delete(rows).where(
            sa.or_(rows.c.seen_at < now - FORGOTTEN_AFTER, sa.and_(rows.c.host == host, rows.c.pid == pid))
        )
    )
    values = {"role": role, "host": host, "pid": pid, "version": version, "started_at": now, "seen_at": now}
    found: int = session.execute(sa.insert(rows).values(values).returning(rows.c.id)).scalar_one()
    return found


def seen(session: Session, id_: int, *, now: datetime) -> bool:
    """Note that it is still there. False: its row was forgotten meanwhile."""
    return bool(changed(session, sa.update(rows).where(rows.c.id == id_).values(seen_at=now)))


def leave(session: Session, id_: int) -> None:
    """Forget a process that ends."""
    session.execute(sa.delete(rows).where(rows.c.id == id_))


def all_there(session: Session) -> list[ProcessRow]:
    """Return every process, by role, the oldest first."""
    columns = [rows.c[field.name] for field in fields(ProcessRow)]
    return [ProcessRow(*row) for row in session.execute(sa.select(*columns).order_by(rows.c.role, rows.c.id))]
