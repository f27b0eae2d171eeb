"""Removes what databases keep of changed rows: SQLite in free parts of its file, PostgreSQL in old versions."""

import sqlite3
from contextlib import closing
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.bulk import insert_missing
from worker.store.engine import Store
from worker.store.tables import erasures

LARGEST_REBUILT: Final = 256 * 2**20
"""Bytes. A larger SQLite file is rebuilt only if somebody asks for it: nothing is sent meanwhile, some seconds a GB."""

WAIT_SECONDS: Final = 10.0

_PAD_BYTES: Final = 16 * 2**20

TABLES: Final = (
    *("recipient", "inbound", "suppression", "unsubscription", "accepted_before", "erasure"),
    *("notice", "idempotent_call", "definition", "attempt", "message_key", "inbox_file"),
)


TRACES: Final = ""
"""The number under which it is noted that something is left to wipe."""


def leave_traces(session: Session, *, now: datetime) -> None:
    """Note that this transaction leaves something to wipe, so that it is done even if this process ends before."""
    session.execute(insert_missing(session, erasures).values(number=TRACES, asked_at=now))
    if session.get_bind().dialect.name == "sqlite":
        session.connection().exec_driver_sql("PRAGMA secure_delete = ON")


def has_traces(store: Store) -> bool:
    """Return whether something is left to wipe."""
    with store.read() as session:
        return session.scalar(sa.select(sa.exists().where(erasures.c.number == TRACES))) is True


def wipe(store: Store, *, rebuild: bool | None = None) -> bool:
    """Remove what is left of rows that were changed; return whether nothing of them is left in the database.

    `rebuild` the SQLite file, or PostgreSQL's tables, which takes as much space again, and nothing is sent meanwhile;
    None: an SQLite file that is not large. PostgreSQL's log, backups and replicas keep what they have.
    """
    is_done = _wipe(store, rebuild)
    if is_done:
        with store.write("wiped") as session:
            session.execute(sa.delete(erasures).where(erasures.c.number == TRACES))
    return is_done


def _wipe(store: Store, rebuild: bool | None) -> bool:
    if not store.is_sqlite:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            how = "FULL" if rebuild else "INDEX_CLEANUP ON"
            connection.execute(sa.text(f"VACUUM ({how}) {', '.join(TABLES)}"))
        return True
    path = store.sqlite_path
    if path is None:
        return True
    if rebuild is None:
        rebuild = path.stat().st_size <= LARGEST_REBUILT
    with closing(sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)) as connection:
        if rebuild:
            _rebuild(path.as_posix(), connection)
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return rebuild and not busy


def _rebuild(path: str, connection: sqlite3.Connection) -> None:
    """Write the file anew, as long as before: a file that shrank would count as another one (`same_database`).

    The new one is in the log first. A look that began before keeps it there until it has its length.
    """
    with closing(sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)) as look:
        look.execute("BEGIN")
        look.execute("SELECT count(*) FROM sqlite_master").fetchone()
        [[pages]] = connection.execute("PRAGMA page_count").fetchall()
        [[page_bytes]] = connection.execute("PRAGMA page_size").fetchall()
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("VACUUM")  # its temporary copy is a file, not in memory as those of our other connections
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE padding (bytes BLOB)")
        while (missing := pages - connection.execute("PRAGMA page_count").fetchone()[0]) > 0:
            connection.execute("INSERT INTO padding VALUES (zeroblob(?))", (min(_PAD_BYTES, missing * page_bytes),))
        connection.execute("DROP TABLE padding")
        connection.execute("COMMIT")
        look.execute("ROLLBACK")
