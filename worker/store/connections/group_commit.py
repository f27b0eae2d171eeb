"""One commit for what several threads write to SQLite at the same moment.

SQLite has one writer at a time, and a commit waits for the disk: 0.2 to 5 ms, twice for each request. Short
transactions of threads that wait for each other share one instead. Each is a savepoint of its own, so that one can fail
alone, and nobody is answered before the commit.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa

from worker.store.errors import StoreError

MOST_MEMBERS: Final = 32
MOST_SECONDS: Final = 0.05
"""When a group commits although others wait to join it: other processes wait for it, too."""

LOOK_AGAIN_SECONDS: Final = 1.0
"""After this a member commits the group itself: the thread for which it was left open may have ended."""


class _Group:
    """A transaction that is open, and what became of it."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self.transaction = connection.begin()
        self.members = 0
        self.until = time.monotonic() + MOST_SECONDS
        self.ended = threading.Event()
        self.error: Exception | None = StoreError("the database undid the transaction; try again")

    @property
    def is_full(self) -> bool:
        return self.members >= MOST_MEMBERS or time.monotonic() >= self.until


class Writers:
    """The threads of a process that write to one SQLite database: one after the other, alone or in a group."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._waiting: deque[None] = deque()  # its ends are changed atomically
        self._open: _Group | None = None
        self._kept: sa.Connection | None = None  # a pool resets and wraps it each time, and another has another cache

    @contextmanager
    def alone(self) -> Iterator[sa.Connection]:
        """Keep the others out until the block ends, for a transaction of its own."""
        with self._turn():
            self._commit()
            try:
                yield self._connection()
            except BaseException:
                self._drop()
                raise

    @contextmanager
    def together(self) -> Iterator[sa.Connection]:
        """Join the open transaction, or begin one; return once it is committed. Raises what the commit raised.

        The block must use a savepoint, and be short: the others of its group are answered only after it.
        """
        with self._turn():
            group = self._open = self._open or _Group(self._connection())
            group.members += 1
            try:
                yield group.connection
            finally:
                # A full disk and the like end the whole transaction, whichever statement met it.
                if not self._waiting or group.is_full or not _is_open(group.connection):
                    self._commit()
        while not group.ended.wait(LOOK_AGAIN_SECONDS):
            with self._turn():
                self._commit()
        if group.error is not None:
            raise group.error

    @contextmanager
    def _turn(self) -> Iterator[None]:
        self._waiting.append(None)
        with self._lock:
            self._waiting.pop()
            yield

    def close(self) -> None:
        """Give the connection back, unless somebody writes right now."""
        if self._lock.acquire(blocking=False):
            try:
                self._commit()
                self._drop()
            finally:
                self._lock.release()

    def _connection(self) -> sa.Connection:
        if self._kept is None:
            self._kept = self._engine.connect()
        return self._kept

    def _drop(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def _commit(self) -> None:
        group, self._open = self._open, None
        if group is None:
            return
        try:
            if _is_open(group.connection):
                group.transaction.commit()
                group.error = None
        except Exception as error:
            group.error = error  # every member raises it
            if _is_open(group.connection):  # a commit that failed leaves its transaction open
                group.connection.connection.rollback()
        finally:
            try:
                if group.error is not None:
                    self._drop()
            finally:
                group.ended.set()


def _is_open(connection: sa.Connection) -> bool:
    driver = connection.connection.driver_connection
    return driver is not None and bool(driver.in_transaction)
