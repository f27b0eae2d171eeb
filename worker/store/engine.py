"""Opening the database so that a commit is durable and no update is lost, on SQLite and on PostgreSQL."""

import copy
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlmodel import Session

from worker.conditions import ServerTrouble, Trouble, trouble_of
from worker.crashpoints import reached
from worker.store.same_database import Belonging, Loss, SameDatabase

if TYPE_CHECKING:
    import psycopg  # 9 MiB that no process on SQLite needs

SQLITE_BUSY_SECONDS: Final = 10
"""So long a writer waits for another program that writes, before it tells of it and tries again. With 30 s a minute of
being locked out was half over before anybody heard of it."""

LOCKED_OUT_MILLISECONDS: Final = 200
"""How long each waits once one has waited in vain, until one gets through."""

LARGEST_LOG_BYTES: Final = 16 * 2**20
"""What is kept of the log of SQLite once it was worked off: a long look lets it grow, and then it stayed so."""


POOLED: Final = frozenset({"26000", "42P05"})
"""PostgreSQL's codes for a statement that is not prepared, or that another has prepared by the same name."""


class StoreError(Exception):
    """The database cannot be used. The message says what is wrong with it and what to do."""


class DatabaseLost(ServerTrouble, StoreError):
    """The database is not the one that this process has worked on: what it wrote there would be lost, or forgotten."""

    def __init__(self, url: sa.URL, loss: Loss) -> None:
        name = url.database if url.get_backend_name() == "sqlite" else "the database in CAMPAIGNS_DATABASE_URL"
        trouble = Trouble.DATABASE_DAMAGED if loss is Loss.DAMAGED else Trouble.DATABASE_LOST
        super().__init__(trouble, f"{name} {loss.value}")


STORE_FAILS: Final = (sa.exc.SQLAlchemyError, DatabaseLost)
"""Every way in which a database does not do what it is asked to."""


def is_away(error: sa.exc.DBAPIError | DatabaseLost) -> bool:
    """Whether the database itself did not do it, and may in a moment: it restarts, is locked, or takes no changes."""
    if isinstance(error, DatabaseLost):
        return True  # a file that was moved away comes back
    return isinstance(error, sa.exc.OperationalError) or error.connection_invalidated or trouble_of(error) is not None


def takes_connections(url: str) -> bool:
    """Whether whoever cannot connect is to blame, and not the server: it listens, and is neither starting nor ending.

    libpq tells no SQLSTATE for a connection that failed, and its sentences are in the server's language. An SQLite file
    needs nobody to be there.
    """
    address = sa.make_url(url)
    if address.get_backend_name() == "sqlite":
        return True
    conninfo = address.set(drivername="postgresql").render_as_string(hide_password=False)
    from psycopg.pq import PGconn, Ping

    return PGconn.ping(conninfo.encode()) not in {Ping.NO_RESPONSE, Ping.REJECT}


class Store:
    """The database: `write()` opens a transaction that commits at its end, `read()` one that only looks."""

    def __init__(self, url: str) -> None:
        try:
            self.url = sa.make_url(url)
        except sa.exc.ArgumentError:
            raise StoreError(
                "CAMPAIGNS_DATABASE_URL is not a database address; use sqlite:///campaigns.db or postgresql+psycopg://..."
            ) from None
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        # SQLite takes one writer at a time and lets the others sleep and look again: threads of one process queue up
        # here instead, which sent a quarter more in a measurement with four of them.
        self._turn: AbstractContextManager[object] = threading.Lock() if self.is_sqlite else nullcontext()
        self._same = SameDatabase(_sqlite_file(self.url) if self.is_sqlite else None)
        if self.is_sqlite:
            self._writer, self._reader = (
                _sqlite_engine(self.url, self._same, immediate=True),
                _sqlite_engine(self.url, self._same, immediate=False),
            )
            self._looker = self._reader
        else:
            self._writer = self._reader = _postgresql_engine(self.url, self._same)
            self._looker = self._reader.execution_options(isolation_level="AUTOCOMMIT")
        self._fence: Callable[[Session], None] | None = None

    def fenced(self, fence: Callable[[Session], None]) -> Self:
        """The same database, on the same connections: every write transaction begins with `fence`, which may raise."""
        view = copy.copy(self)
        view._fence = fence
        return view

    @property
    def sqlite_path(self) -> Path | None:
        """The database file, or None where there is none."""
        return Path(self.url.database) if self.is_sqlite and self.url.database else None

    @contextmanager
    def write(self, name: str = "unnamed") -> Iterator[Session]:
        """One transaction, durable when the block ends without an error, undone otherwise.

        `name` names its two crash points, before and after the commit; each transaction of the product has its own.
        Raises `DatabaseLost`, as the others do, where the database is not the one that was opened.
        """
        with self._watched(), self._turn, Session(self._writer) as session:
            with session.begin():
                if self._fence is not None:
                    self._fence(session)
                yield session
                session.flush()
                reached(f"{name}:before_commit")
            reached(f"{name}:committed")

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A consistent look at the database; never blocks a writer."""
        with self._watched(), Session(self._reader, expire_on_commit=False) as session:
            yield session
            if not self.is_sqlite:
                # psycopg forgets its prepared statements at each ROLLBACK: all were parsed and planned every time,
                # which was half of what PostgreSQL did for a send.
                session.commit()

    @contextmanager
    def look(self) -> Iterator[Session]:
        """As `read`, where each statement stands alone: on PostgreSQL it costs one round trip instead of three.

        What is read in parts (`yield_per`) needs the transaction of `read`.
        """
        with self._watched(), Session(self._looker) as session:
            yield session

    def belongs(self, belonging: Belonging, on_loss: Callable[[Loss], None]) -> None:
        """From now on every new connection has to lead to this database; `on_loss` hears once that it does not."""
        self._same.belonging, self._same.on_loss = belonging, on_loss

    def lose(self, loss: Loss) -> DatabaseLost:
        """This database is not the one that it was: nothing is read from it or written to it any more."""
        self._same.lose(loss)
        return DatabaseLost(self.url, loss)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        if (loss := self._same.loss()) is not None:
            raise DatabaseLost(self.url, loss)
        try:
            yield
        except sa.exc.DatabaseError as error:
            code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # the upper bits say which kind of it
            if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
                # Told as what happened to the file, where that shows: a thread that met it as damage told of it twice.
                lost = self.lose(self._same.loss() or Loss.DAMAGED)
                self._same.loss()  # tells it
                raise lost from error
            raise

    def renew_statistics(self) -> None:
        """Let PostgreSQL count anew, after a large plan.

        A statement that was prepared while its tables were small goes on reading all of them, up to a minute long.
        """
        if not self.is_sqlite:
            with self.look() as session:
                session.execute(sa.text("ANALYZE recipient, batch"))

    @property
    def engine(self) -> sa.Engine:
        """The engine that writes, for migrations."""
        return self._writer

    def close(self) -> None:
        """Give every connection back."""
        self._writer.dispose()
        self._reader.dispose()
        self._same.closed()


def _sqlite_file(url: sa.URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise StoreError("campaigns need a database file: use sqlite:///campaigns.db, not an in-memory database")
    return Path(url.database)


WRITER_CACHE_KIB: Final = 16_384
"""Of the one connection that writes: the default 2 MiB thrashes on the (run, number) index of a large plan."""

READER_CACHE_KIB: Final = 1_024
"""Of each of some 16 connections that read: with 64 MiB they held most of the memory of a large run."""


def _sqlite_engine(url: sa.URL, same: SameDatabase, *, immediate: bool) -> sa.Engine:
    # `rw`: a connection to a file that is gone must not make a new one, into which everything would be planned anew.
    address = f"{_sqlite_file(url).absolute().as_uri()}?mode=rw"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(address, SQLITE_BUSY_SECONDS, uri=True, check_same_thread=False)
        same.opened()
        return connection

    engine = sa.create_engine(
        url,
        creator=connect,
        pool_size=16,
        max_overflow=48,
        pool_use_lifo=True,  # the fewest connections: each has a cache of its own
        hide_parameters=True,
    )
    cache_kib = WRITER_CACHE_KIB if immediate else READER_CACHE_KIB

    def on_connect(connection: sqlite3.Connection, _record: Any) -> None:
        # SQLAlchemy and not the driver decides where transactions begin, or BEGIN IMMEDIATE below comes too late.
        connection.isolation_level = None
        _write_ahead(connection)
        for pragma in (
            "synchronous = FULL",  # an intent must outlive a power cut before the first byte of its request leaves
            "foreign_keys = ON",
            f"journal_size_limit = {LARGEST_LOG_BYTES}",
            f"cache_size = -{cache_kib}",
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")
        _require_same(connection, url, same)

    is_locked_out = False

    def on_begin(connection: sa.Connection) -> None:
        nonlocal is_locked_out
        if not immediate:
            connection.exec_driver_sql("BEGIN")
            return
        # Threads wait for their turn one after the other: each as long as the first, and the last of them for a minute.
        if is_locked_out:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {LOCKED_OUT_MILLISECONDS}")
        try:
            # A deferred transaction that reads first and writes later lost 7,433 of 10,059 updates in a measurement.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except sa.exc.OperationalError as error:
            is_locked_out = is_locked_out or trouble_of(error) is Trouble.DATABASE_LOCKED
            raise
        if is_locked_out:
            is_locked_out = False
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {SQLITE_BUSY_SECONDS * 1_000}")

    sa.event.listen(engine, "connect", on_connect)
    sa.event.listen(engine, "begin", on_begin)
    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log. Two processes that make a new database at once both do.

    Then SQLite answers "locked" at once instead of waiting as long as it waits elsewhere: it takes it for a deadlock.
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
    """Raises `DatabaseLost` where a new connection leads to another database, or to one that has forgotten."""
    belonging = same.belonging
    if belonging is None:
        return
    loss = same.loss()
    promised = belonging.promised()  # first: what is promised later may be in the database or not
    if loss is None:
        cursor = connection.cursor()
        try:
            cursor.execute("SELECT (SELECT name FROM installation), (SELECT coalesce(max(id), 0) FROM attempt)")
            name, last = cursor.fetchone()
        except Exception as error:
            # Where the tables are not there this is SQLite's word for it, or PostgreSQL's code.
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


def _postgresql_engine(url: sa.URL, same: SameDatabase) -> sa.Engine:
    if url.get_backend_name() != "postgresql":
        raise StoreError(
            f"CAMPAIGNS_DATABASE_URL names {url.get_backend_name()}; only SQLite and PostgreSQL are supported"
        )
    # The driver is fixed: a bare postgresql:// would ask for psycopg2, which is not installed.
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=16,
        max_overflow=48,
        pool_use_lifo=True,  # the fewest connections, each with all statements of a send prepared
        hide_parameters=True,  # an error message must not carry numbers and texts into a log
        connect_args={"connect_timeout": 10, "application_name": "campaigns", "prepare_threshold": 1},
        skip_autocommit_rollback=True,
    )
    _ping_when_idle(engine)
    _share_with_pooler(engine)
    sa.event.listen(engine, "connect", lambda connection, _record: _require_same(connection, url, same))
    return engine


def _share_with_pooler(engine: sa.Engine) -> None:
    """Prepare no statements where a pooler stands before the server: they belong to one of its connections.

    In transaction mode (PgBouncer and its kind) the next transaction may get another one, which has not prepared it,
    or has prepared another's under its name. A pooler shows itself by the number that it gives a connection to be
    cancelled by: it cannot be that of a server's process. One that hides is noticed by those two errors.
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
            is_pooled = context.is_disconnect = True  # with it go all connections that have prepared statements

    sa.event.listen(engine, "connect", on_connect)
    sa.event.listen(engine, "handle_error", on_error)


UNDEFINED_TABLE: Final = "42P01"
"""PostgreSQL's code for a table that is not there."""

PING_AFTER_SECONDS: Final = 1.0
"""A connection that was used a moment ago is not asked whether it still works: that was one round trip in seven."""


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
