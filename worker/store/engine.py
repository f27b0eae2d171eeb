"""The database as transactions: those that write, which never lose an update, and those that read."""

import copy
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final, Self

import sqlalchemy as sa
from sqlmodel import Session

from worker.crashpoints import reached
from worker.servers.troubles import Troubles
from worker.store.connections.commits import Commits, Version
from worker.store.connections.engines import postgresql_engine, sqlite_engine, sqlite_file
from worker.store.connections.group_commit import Writers
from worker.store.connections.kept import MOST_KEPT, KeptConnections
from worker.store.connections.replica import READ_SETTING, Replica, Written
from worker.store.connections.same_database import Belonging, SameDatabase
from worker.store.connections.short_sessions import alone, in_savepoint
from worker.store.errors import DatabaseLost, Loss, StoreError

_AT_END: Final = "at_end"

PRIVACY_KEY: Final = "privacy_key"
"""Where a session has what reads the key for the hashes of those who were erased; it has nothing there without one."""


def at_end(session: Session) -> list[Callable[[Session], None]]:
    """Return what the transaction does right before its commit, after all else: what others wait for until then."""
    queued: list[Callable[[Session], None]] = session.info.setdefault(_AT_END, [])
    return queued


class _Watch:
    """Lets nothing be read from or written to a database that is not the one that was opened.

    A class: as a generator it took twice as long, and there are four for each request.
    """

    def __init__(self, url: sa.URL, same: SameDatabase) -> None:
        self._url = url
        self._same = same

    def __enter__(self) -> None:
        if (loss := self._same.loss()) is not None:
            raise DatabaseLost(self._url, loss)

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if not isinstance(error, sa.exc.DatabaseError):
            return
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # the upper bits give the exact kind
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            # Reported as what happened to the file, if that shows: a thread that met it as damage reported it twice.
            loss = self._same.loss() or Loss.DAMAGED
            self._same.lose(loss)
            self._same.loss()  # this reports it
            raise DatabaseLost(self._url, loss) from error


class Store:
    """The database: `write()` opens a transaction that commits at its end, `read()` one that only reads.

    `replica_url`: where `from_replica` reads; its troubles are reported to `troubles`. `privacy_key` reads the key for
    the hashes of those who were erased.
    """

    def __init__(
        self,
        url: str,
        replica_url: str = "",
        troubles: Troubles | None = None,
        *,
        privacy_key: Callable[[], bytes] | None = None,
    ) -> None:
        try:
            self.url = sa.make_url(url)
        except sa.exc.ArgumentError:
            raise StoreError(
                "CAMPAIGNS_DATABASE_URL is not a database address; use sqlite:///campaigns.db or postgresql+psycopg://..."
            ) from None
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if replica_url and self.is_sqlite:
            raise StoreError(f"{READ_SETTING} is set, but SQLite has no replicas: remove it, or use PostgreSQL")
        self.replica = Replica(replica_url, troubles) if replica_url else None
        self._written: Written | None = None  # what a view shows that is read from the replica; None: the primary
        self._same = SameDatabase(sqlite_file(self.url) if self.is_sqlite else None)
        if self.is_sqlite:
            self._writer, self._reader = (
                sqlite_engine(self.url, self._same, immediate=True),
                sqlite_engine(self.url, self._same, immediate=False),
            )
            self._looks = KeptConnections(self._reader, MOST_KEPT)
            self._commits: Commits | None = Commits(self._reader)
            # SQLite allows one writer at a time and lets the others sleep and look again. Threads of one process queue
            # up instead, which sent a quarter more in a measurement with four threads.
            self._writers: Writers | None = Writers(self._writer)
        else:
            self._writer = self._reader = postgresql_engine(self.url, self._same)
            self._looks = KeptConnections(self._reader.execution_options(isolation_level="AUTOCOMMIT"), MOST_KEPT)
            self._writers = self._commits = None
        self._watch = _Watch(self.url, self._same)
        self._fence: Callable[[Session], None] | None = None
        self._privacy_key = privacy_key

    def fenced(self, fence: Callable[[Session], None]) -> Self:
        """Return the same database on the same connections, where every write begins with `fence`, which may raise."""
        view = copy.copy(self)
        view._fence = fence
        return view

    def from_replica(self) -> Self:
        """Return the same database for one page or report: it is read from the replica, if there is one.

        It shows all that was committed before, by any process. Where the replica cannot show that yet, and after a
        write, the primary is read. What decides anything never reads it.
        """
        if self.replica is None:
            return self
        view = copy.copy(self)
        view._written = None if self.replica.rests else Written.of(self._looks)
        return view

    def primary(self) -> Self:
        """Return the same database, never read from the replica."""
        view = copy.copy(self)
        view._written = None
        return view

    def replica_lag_seconds(self) -> float | None:
        """Return how far the replica is behind; 0: it has everything. None: there is none, or nobody knows."""
        return None if self.replica is None else self.replica.lag_seconds(self._looks)

    @property
    def sqlite_path(self) -> Path | None:
        """Return the database file, or None if there is none."""
        return Path(self.url.database) if self.is_sqlite and self.url.database else None

    @contextmanager
    def write(self, name: str = "unnamed", *, is_short: bool = False) -> Iterator[Session]:
        """Open a transaction that is durable when the block ends without an error, and undone otherwise.

        `name` names its two crash points, before and after the commit; each transaction of the product has its own. One
        that `is_short` shares its commit with others of the same moment, on SQLite. Raises `DatabaseLost`, like `read`
        and `look`, if the database is not the one that was opened.
        """
        self._written = None  # whoever wrote reads what it wrote
        with self._watch:
            with self._writing(is_short) as session:
                if self._privacy_key is not None:
                    session.info[PRIVACY_KEY] = self._privacy_key
                if self._fence is not None:
                    self._fence(session)
                yield session
                session.flush()
                for act in at_end(session):
                    act(session)
                reached(f"{name}:before_commit")
            reached(f"{name}:committed")

    @contextmanager
    def _writing(self, is_short: bool) -> Iterator[Session]:
        if not is_short:
            turn = self._writers.alone() if self._writers is not None else nullcontext(self._writer)
            with turn as bind, Session(bind) as session, session.begin():
                yield session
        elif self._writers is not None:
            with self._writers.together() as connection, in_savepoint(connection) as session:
                yield session
        else:
            with alone(self._looks) as session:
                yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a consistent view of the database; it never blocks a writer."""
        with self._watch, self._reading() as session:
            if self._privacy_key is not None:
                session.info[PRIVACY_KEY] = self._privacy_key
            yield session
            if not self.is_sqlite:
                # psycopg forgets its prepared statements at each ROLLBACK: all were parsed and planned every time,
                # which was half of PostgreSQL's work for a send.
                session.commit()

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        if self.replica is not None and self._written is not None:
            session = self.replica.begin(self._written)
            if session is not None:
                with session, self.replica.watched():
                    yield session
                return
            self._written = None  # from now on the primary: a page must not go back in time
        with Session(self._reader, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def look(self) -> Iterator[sa.Connection]:
        """Like `read`, but each statement stands alone: on PostgreSQL it costs one round trip instead of three.

        Without a session, which costs as much as a short statement. A result that is read in parts (`yield_per`) needs
        the transaction of `read`.
        """
        if self._written is not None:
            with self.read() as session:
                yield session.connection()
            return
        with self._watch, self._looks.one() as connection:
            yield connection

    def version(self) -> Version | None:
        """Return what changes with every commit; None if the database does not tell. Raises as `look`."""
        if self._commits is None:
            return None
        with self._watch:
            return self._commits.version()

    def belongs(self, belonging: Belonging, on_loss: Callable[[Loss], None]) -> None:
        """From now on every new connection must lead to this database; `on_loss` is called once if one does not."""
        self._same.belonging, self._same.on_loss = belonging, on_loss

    def lose(self, loss: Loss) -> DatabaseLost:
        """Mark this database as no longer the one that it was: nothing more is read from it or written to it."""
        self._same.lose(loss)
        return DatabaseLost(self.url, loss)

    def renew_statistics(self) -> None:
        """Let PostgreSQL renew its statistics after a large plan.

        A statement that was prepared while its tables were small keeps reading all of them, for up to a minute.
        """
        if not self.is_sqlite:
            with self.look() as connection:
                connection.execute(sa.text("ANALYZE recipient, batch"))

    @property
    def engine(self) -> sa.Engine:
        """Return the engine that writes, for migrations."""
        return self._writer

    def close(self) -> None:
        """Close every connection."""
        if self._commits is not None:
            self._commits.close()
        if self._writers is not None:
            self._writers.close()
        self._looks.close()
        self._writer.dispose()
        self._reader.dispose()
        if self.replica is not None:
            self.replica.close()
        self._same.closed()
