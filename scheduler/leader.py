"""Who may run the clock: one process a database. A lock is advice that saves work; the unique keys are the safety."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import sqlalchemy as sa

from worker.store.engine import Store
from worker.store.health import advisory_lock_holder

ADVISORY_LOCK: Final = 0x5353_4C44
"""An arbitrary number that names the lock among PostgreSQL's advisory locks."""


class LeaderLock(Protocol):
    """A lock that ends with the process that holds it, however that ends."""

    def acquire(self) -> bool:
        """Take the lock; False: another process has it. Harmless when it is held already."""
        ...

    def is_held(self) -> bool:
        """Whether it is still ours: a lost connection loses the lock."""
        ...

    def release(self) -> None:
        """Give it back."""
        ...


def leader_lock(store: Store) -> LeaderLock:
    """The lock of this database: `flock` beside an SQLite file, a session's advisory lock on PostgreSQL."""
    path = store.sqlite_path
    return PostgresLock(store.engine) if path is None else FileLock(_beside(path))


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


class FileLock:
    """`flock` on a file beside the database. The file stays; only the lock on it counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def acquire(self) -> bool:
        if self._handle is not None:
            return True
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        self._handle = handle
        return True

    def is_held(self) -> bool:
        return self._handle is not None

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def holder(self) -> str:
        """The process id that the holder wrote down; empty if unknown."""
        with suppress(OSError):
            return self._path.read_text().strip()
        return ""


class PostgresLock:
    """A session advisory lock on a connection of its own; the server frees it when the connection ends."""

    def __init__(self, engine: sa.Engine) -> None:
        # Outside the pool: a connection given back to a pool would carry the lock to whoever takes it next.
        self._engine = sa.create_engine(engine.url, poolclass=sa.NullPool, hide_parameters=True)
        self._connection: sa.Connection | None = None

    def acquire(self) -> bool:
        if self.is_held():
            return True
        try:
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            taken = bool(connection.scalar(sa.text("SELECT pg_try_advisory_lock(:id)"), {"id": ADVISORY_LOCK}))
        except sa.exc.DBAPIError:
            return False
        if not taken:
            connection.close()
            return False
        self._connection = connection
        return True

    def is_held(self) -> bool:
        if self._connection is None:
            return False
        try:
            self._connection.execute(sa.text("SELECT 1"))
        except sa.exc.DBAPIError:
            self.release()
            return False
        return True

    def release(self) -> None:
        if self._connection is not None:
            with suppress(sa.exc.DBAPIError):
                self._connection.invalidate()
                self._connection.close()
            self._connection = None


def lock_holder(store: Store) -> str | None:
    """Who holds the lock of this database, in words for people; None: nobody. Takes nothing, writes nothing."""
    path = store.sqlite_path
    if path is None:
        with store.read() as session:
            return advisory_lock_holder(session, ADVISORY_LOCK)
    lock_path = _beside(path)
    try:
        handle = os.open(lock_path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # given back at once, with the handle
    except BlockingIOError:
        return f"process {FileLock(lock_path).holder() or 'unknown'} on this machine"
    finally:
        os.close(handle)
    return None
