"""A mark outside the database that says how far it was: a database that is behind it was restored from a backup.

A restored database has forgotten requests that were made. Sending on would double them, so the account is quarantined
until `campaigns recover` has swept the gateway for the forgotten requests.
"""

import os
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from worker.logs import get_logger


class Marker(Protocol):
    """The highest attempt id that a request was made for, as far as this mark knows."""

    def read(self) -> int:
        """Return the mark; 0 if there is none."""
        ...

    def advance(self, attempt_id: int) -> None:
        """Move the mark up to `attempt_id` before the request is made; never down. A failure is logged, not raised."""
        ...

    def reset(self, attempt_id: int) -> None:
        """Set the mark back, after a recovery."""
        ...

    def installation(self) -> str:
        """Return the name of the database that the mark belongs to; empty if it does not say."""
        ...

    def adopt(self, installation: str) -> None:
        """From now on the mark belongs to the database with this name; written with the next move."""
        ...

    def promised(self) -> int:
        """Return the highest attempt id that this process moved the mark to; 0 if it has not."""
        ...

    def keep(self, more: int = 0) -> None:
        """Write the mark once more, `more` attempts further: the database was lost, and perhaps the mark with it."""
        ...

    def moved_at(self) -> datetime | None:
        """Return when it was last moved: no request was made later. None: not since it was reset, or unknown."""
        ...


def beside(database: Path) -> Path:
    """Return the path of an SQLite database's mark."""
    return database.with_name(f"{database.name}.marker")


class Mark(NamedTuple):
    """What a mark said at one moment, and of which database."""

    attempt_id: int
    of: str

    def is_ahead(self, *, installation: str, last_attempt_id: int) -> bool:
        """Return whether more was sent than a database with this name and this last attempt knows."""
        return self.attempt_id > last_attempt_id or bool(self.attempt_id and self.of and self.of != installation)


def read_mark(marker: Marker) -> Mark:
    """Read the mark, before the database is asked for its last attempt.

    The other way round, an attempt that another process makes in between is one that the database seems to have
    forgotten: a worker that started beside others that sent stopped the whole account.
    """
    return Mark(marker.read(), marker.installation())


class FileMarker:
    """A small file beside an SQLite database. It is not synced: it guards against a restored file, not a power cut."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._installation = ""
        self._promised = 0
        self._known = self.read()

    def read(self) -> int:
        return self._stored()[0]

    def installation(self) -> str:
        return self._stored()[1]

    def adopt(self, installation: str) -> None:
        self._installation = installation

    def keep(self, more: int = 0) -> None:
        with self._lock:
            self._write(max(self._known, self.read()) + more)

    def _stored(self) -> tuple[int, str]:
        try:
            number, _, name = self._path.read_text(encoding="ascii").strip().partition(" ")
            return int(number or 0), name.strip()
        except (OSError, ValueError):
            return 0, ""

    def advance(self, attempt_id: int) -> None:
        with self._lock:
            self._promised = max(self._promised, attempt_id)
            if attempt_id > self._known:
                self._write(attempt_id)

    def promised(self) -> int:
        return self._promised

    def reset(self, attempt_id: int) -> None:
        with self._lock:
            self._write(attempt_id)
            with suppress(OSError):
                os.utime(self._path, (0, 0))

    def moved_at(self) -> datetime | None:
        try:
            seconds = self._path.stat().st_mtime
        except OSError:
            return None
        return datetime.fromtimestamp(seconds, UTC) if seconds else None

    def _write(self, attempt_id: int) -> None:
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                # One write of fixed length is never torn.
                os.pwrite(handle, f"{attempt_id:<20} {self._installation:<16}\n".encode(), 0)
            finally:
                os.close(handle)
        except OSError as error:
            get_logger().warning("marker.write_failed", problem=error.strerror)
            return
        self._known = attempt_id


class NoMarker:
    """Used if there is neither a database file nor a Redis: a restored backup is then not noticed automatically."""

    def read(self) -> int:
        return 0

    def advance(self, attempt_id: int) -> None:
        """Do nothing: there is no mark."""

    def reset(self, attempt_id: int) -> None:
        """Do nothing: there is no mark."""

    def installation(self) -> str:
        return ""

    def adopt(self, installation: str) -> None:
        """Do nothing: there is no mark."""

    def promised(self) -> int:
        return 0

    def keep(self, more: int = 0) -> None:
        """Do nothing: there is no mark."""

    def moved_at(self) -> datetime | None:
        return None
