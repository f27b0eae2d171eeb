"""Checks that the database is still the one that was opened: what is written to another one is lost or forgotten.

A deleted SQLite file accepts every commit as long as it is open, and a backup copied over it shows its old state; a
PostgreSQL server may come back empty, as another one, or without its last commits. So the file is checked before every
transaction (two `stat` calls, 3 microseconds), and the content of the database on every new connection.
"""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from worker.store.errors import Loss

Stamp = tuple[int, int]
"""Device and inode."""

MIXED = frozenset(Loss) - {Loss.GONE}
"""The next file opened may be part of one state and part of another: a new file picks up the log (-wal) of the old one.
How much it knows of what was sent then says nothing about the rest."""


@dataclass(frozen=True, slots=True)
class Belonging:
    """What identifies the right database: its installation's name, and a request that it must know.

    `promised` is called each time: it returns the highest id of an attempt that a request was made for.
    """

    installation: str
    promised: Callable[[], int]


class SameDatabase:
    """What the database was when it was opened. `path` None: no file. It knows nothing before the first connection."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._log = path and path.with_name(f"{path.name}-wal")
        self._lock = threading.Lock()
        self._opened: Stamp | None = None
        self._bytes = 0
        self._opened_log: Stamp | None = None
        self._lost: Loss | None = None
        self._told: Loss | None = None
        self.belonging: Belonging | None = None
        self.on_loss: Callable[[Loss], None] = lambda _: None

    def opened(self) -> None:
        """Record a connection: to the file that is there now, or to the one that was opened first."""
        if self._path is not None and self._opened is None and (seen := _seen(self._path)) is not None:
            self._opened, self._bytes = seen

    def closed(self) -> None:
        """Record that no connection is left: SQLite then removes the log."""
        self._opened, self._opened_log, self._bytes = None, None, 0

    def lose(self, loss: Loss) -> None:
        """From now on it is not the database that was opened, whatever its name shows."""
        self._lost = self._lost or loss

    def loss(self) -> Loss | None:
        """Return what happened to it; None if nothing did. A file that was only moved away may come back."""
        found = self._lost or self._file_loss()
        if found is not self._told:
            with self._lock:
                is_news, self._told = found is not self._told, found
            if found is not None and is_news:
                self.on_loss(found)
        return found

    def _file_loss(self) -> Loss | None:
        # What is known is read before the check: another thread may check later and finish sooner.
        opened, opened_log, known_bytes = self._opened, self._opened_log, self._bytes
        if self._path is None or self._log is None or opened is None:
            return None
        seen = _seen(self._path)
        if seen is None:
            return Loss.GONE
        stamp, size = seen
        if stamp != opened:
            return Loss.ANOTHER
        if size < known_bytes:  # the file of a database that only grows never shrinks
            self.lose(Loss.OVERWRITTEN)
            return Loss.OVERWRITTEN
        self._bytes = max(self._bytes, size)
        log = _seen(self._log)
        if opened_log is None:
            self._opened_log = log and log[0]
        elif log is None or log[0] != opened_log:
            self.lose(Loss.NO_LOG)
            return Loss.NO_LOG
        return None


def _seen(path: Path) -> tuple[Stamp, int] | None:
    """Return a file's stamp and its size in bytes; None if there is no such file."""
    try:
        seen = os.stat(path)  # noqa: PTH116 - before every transaction, and pathlib takes twice as long
    except OSError:
        return None
    return (seen.st_dev, seen.st_ino), seen.st_size
