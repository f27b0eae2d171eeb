"""Whether an SQLite file has changed since somebody asked before: 10 us, where a look at it takes 300."""

import sqlite3
import threading
from typing import TypeAlias

import sqlalchemy as sa

Version: TypeAlias = tuple[int, int]
"""Equal only if nothing was committed in between."""


class Commits:
    """Asks SQLite on a connection of its own, which never writes: any commit, also of this process, is another's."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._kept: sa.PoolProxiedConnection | None = None
        self._connections = 0  # the figure of one connection says nothing about that of another

    def version(self) -> Version | None:
        """Return the version of the file; None if it cannot be told: the next look will meet the reason."""
        with self._lock:
            try:
                if self._kept is None:
                    self._kept = self._engine.raw_connection()
                    self._connections += 1
                    # Every tick asks here, one after the other: whatever keeps SQLite busy must not add up.
                    self._kept.cursor().execute("PRAGMA busy_timeout = 0")
                cursor = self._kept.cursor()
                cursor.execute("PRAGMA data_version")
                [version] = cursor.fetchone() or [None]
            except (sqlite3.Error, sa.exc.DBAPIError):
                self._drop()
                return None
            return self._connections, version

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._kept is not None:
            self._kept.invalidate()
            self._kept = None
