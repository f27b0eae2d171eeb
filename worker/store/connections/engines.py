"""Connections to SQLite and PostgreSQL on which a commit is durable and no update is lost."""

import math
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine.interfaces import DBAPIConnection

from worker.servers.conditions import SQLITE_CODES, Trouble
from worker.store.connections.same_database import SameDatabase
from worker.store.errors import DatabaseLost, Loss, StoreError

if TYPE_CHECKING:
    import psycopg  # 9 MiB that no process on SQLite needs

SQLITE_BUSY_SECONDS: Final = 10
"""How long a writer waits for another program that writes, before it reports that and tries again. With 30 s, half of a
minute of being locked out was over before anybody heard of it."""

LOCKED_OUT_MILLISECONDS: Final = 200
"""How long each one waits once one has waited in vain, until one gets through."""

LARGEST_LOG_BYTES: Final = 16 * 2**20
"""How much of SQLite's log is kept after a checkpoint: a long look lets it grow, and then it stayed that size."""

POOLED: Final = frozenset({"26000", "42P05"})
"""PostgreSQL's codes for a statement that is not prepared, or whose name another prepared statement has."""

WRITER_CACHE_KIB: Final = 16_384
"""For the one connection that writes: the default 2 MiB thrashes on the (run, number) index of a large plan."""

READER_CACHE_KIB: Final = 1_024
"""For each of about 16 connections that read: with 64 MiB they held most of the memory of a large run."""

DRIVER: Final = "sqlite+transactions"
"""The name of our dialect."""

UNDEFINED_TABLE: Final = "42P01"
"""PostgreSQL's code for a missing table."""

PING_AFTER_SECONDS: Final = 1.0
"""A connection that was just used is not pinged: that was one round trip in seven."""


def sqlite_file(url: sa.URL) -> Path:
    """Return the file of an SQLite database. Raises `StoreError` for one in memory."""
    if not url.database or url.database == ":memory:":
        raise StoreError("campaigns need a database file: use sqlite:///campaigns.db, not an in-memory database")
    return Path(url.database)


class SQLiteTransactions(SQLiteDialect_pysqlite):
    """Begins transactions itself: an engine that listens for their begin looks for listeners at every statement."""

    supports_statement_cache = True

    def __init__(self, is_writer: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self._is_writer = is_writer
        self._is_locked_out = False

    def do_begin(self, dbapi_connection: Any) -> None:
        """Begin; SQLAlchemy wraps what this raises."""
        if not self._is_writer:
            dbapi_connection.execute("BEGIN")
            return
        # Threads wait one after the other: each as long as the first, and the last of them for a minute.
        if self._is_locked_out:
            dbapi_connection.execute(f"PRAGMA busy_timeout = {LOCKED_OUT_MILLISECONDS}")
        try:
            # A deferred transaction that reads first and writes later lost 7,433 of 10,059 updates in a measurement.
            dbapi_connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            code = error.sqlite_errorcode & 0xFF  # the upper bits give the exact kind
            self._is_locked_out = self._is_locked_out or SQLITE_CODES.get(code) is Trouble.DATABASE_LOCKED
            raise
        if self._is_locked_out:
            self._is_locked_out = False
            dbapi_connection.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_SECONDS * 1_000}")

    # Two for each short transaction: as statements of SQLAlchemy they took 80 us.

    def do_savepoint(self, connection: sa.Connection, name: str) -> None:
        connection.connection.execute(f"SAVEPOINT {name}")

    def do_rollback_to_savepoint(self, connection: sa.Connection, name: str) -> None:
        if connection.connection.in_transaction:  # a full disk and the like undo all of it
            connection.connection.execute(f"ROLLBACK TO SAVEPOINT {name}")

    def do_release_savepoint(self, connection: sa.Connection, name: str) -> None:
        connection.connection.execute(f"RELEASE SAVEPOINT {name}")


sa.dialects.registry.register(DRIVER.replace("+", "."), __name__, SQLiteTransactions.__name__)


def sqlite_engine(url: sa.URL, same: SameDatabase, *, immediate: bool) -> sa.Engine:
    """Connect to the file; `immediate`: for transactions that write, which take the lock when they begin."""
    # `rw`: if the file is gone, a connection must not make a new one, into which everything would be planned again.
    address = f"{sqlite_file(url).absolute().as_uri()}?mode=rw"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(address, SQLITE_BUSY_SECONDS, uri=True, check_same_thread=False)
        same.opened()
        return connection

    engine = sa.create_engine(
        url.set(drivername=DRIVER),
        is_writer=immediate,
        creator=connect,
        pool_size=16,
        max_overflow=48,
        pool_use_lifo=True,  # as few connections as possible: each has its own cache
        hide_parameters=True,
    )
    cache_kib = WRITER_CACHE_KIB if immediate else READER_CACHE_KIB

    def on_connect(connection: sqlite3.Connection, _record: Any) -> None:
        # SQLAlchemy, not the driver, decides where transactions begin; otherwise BEGIN IMMEDIATE below comes too late.
        connection.isolation_level = None
        _write_ahead(connection)
        for pragma in (
            "synchronous = FULL",  # an intent must survive a power cut before the first byte of its request leaves
            "foreign_keys = ON",
            f"journal_size_limit = {LARGEST_LOG_BYTES}",
            f"cache_size = -{cache_kib}",
            "temp_store = MEMORY",
            "secure_delete = FAST",  # texts that were erased must not stay in pages; in FAST, that costs no write
        ):
            connection.execute(f"PRAGMA {pragma}")
        _require_same(connection, url, same)

    sa.event.listen(engine, "connect", on_connect)
    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log. Two processes that make a new database at once both do this.

    SQLite then answers "locked" at once instead of waiting as it does elsewhere: it takes it for a deadlock.
    """
    until = time.monotonic() + SQLITE_BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED} or time.monotonic() > until:
                raise
        else:
            return
        time.sleep(0.02)


def _require_same(connection: Any, url: sa.URL, same: SameDatabase) -> None:
    """Raise `DatabaseLost` if a new connection leads to another database, or to one that has forgotten."""
    belonging = same.belonging
    if belonging is None:
        return
    loss = same.loss()
    promised = belonging.promised()  # read this first: what is promised later may or may not be in the database
    if loss is None:
        cursor = connection.cursor()
        try:
            cursor.execute("SELECT (SELECT name FROM installation), (SELECT coalesce(max(id), 0) FROM attempt)")
            name, last = cursor.fetchone()
        except Exception as error:
            # Missing tables: SQLite's words, or PostgreSQL's code.
            is_empty = "no such table" in str(error) or getattr(error, "sqlstate", "") == UNDEFINED_TABLE
            if not is_empty:
                raise
            name, last = "", 0
        finally:
            cursor.close()
            connection.rollback()
        if name != belonging.installation:
            loss = Loss.ANOTHER
        elif last < promised:
            loss = Loss.OLDER
    if loss is not None:
        same.lose(loss)
        same.loss()
        raise DatabaseLost(url, loss)


def postgresql_engine(url: sa.URL, same: SameDatabase, **options: int) -> sa.Engine:
    """Connect to the server; `options` as libpq has them. Raises `StoreError` for any other kind of database."""
    if url.get_backend_name() != "postgresql":
        raise StoreError(
            f"CAMPAIGNS_DATABASE_URL names {url.get_backend_name()}; only SQLite and PostgreSQL are supported"
        )
    # The driver is fixed: a bare postgresql:// would ask for psycopg2, which is not installed.
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=16,
        max_overflow=48,
        pool_use_lifo=True,  # as few connections as possible, each with all statements of a send prepared
        hide_parameters=True,  # an error message must not carry numbers and texts into a log
        connect_args={"connect_timeout": 10, "application_name": "campaigns", "prepare_threshold": 1, **options},
        skip_autocommit_rollback=True,
    )
    _ping_when_idle(engine)
    _share_with_pooler(engine)
    sa.event.listen(engine, "connect", lambda connection, _record: _require_same(connection, url, same))
    return engine


def _share_with_pooler(engine: sa.Engine) -> None:
    """Prepare no statements behind a pooler: they belong to one of the server's connections.

    In transaction mode (PgBouncer and the like) the next transaction may get another connection, which has not prepared
    the statement, or has another one prepared under its name. A pooler is recognised by the number that it gives a
    connection for cancelling: it cannot be that of a server process. A pooler that hides is noticed by the errors in
    `POOLED`.
    """
    is_pooled = False

    def on_connect(connection: "psycopg.Connection", _record: object) -> None:
        nonlocal is_pooled
        if not is_pooled:
            with connection.cursor() as cursor:
                [pid] = cursor.execute("SELECT pg_backend_pid()").fetchone() or [0]
            connection.rollback()
            is_pooled = pid != connection.info.backend_pid
        if is_pooled:
            connection.prepare_threshold = None

    def on_error(context: sa.engine.ExceptionContext) -> None:
        nonlocal is_pooled
        if getattr(context.original_exception, "sqlstate", None) in POOLED:
            is_pooled = context.is_disconnect = True  # this drops all connections that have prepared statements

    sa.event.listen(engine, "connect", on_connect)
    sa.event.listen(engine, "handle_error", on_error)


def _ping_when_idle(engine: sa.Engine) -> None:
    def on_checkin(_connection: object, record: sa.pool.ConnectionPoolEntry) -> None:
        record.info["used_at"] = time.monotonic()

    def on_checkout(connection: DBAPIConnection, record: sa.pool.ConnectionPoolEntry, _proxy: object) -> None:
        if time.monotonic() - record.info.get("used_at", math.inf) < PING_AFTER_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error:
            raise sa.exc.InvalidatePoolError from None

    sa.event.listen(engine, "checkin", on_checkin)
    sa.event.listen(engine, "checkout", on_checkout)
