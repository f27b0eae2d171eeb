"""A mark outside the database that says how far it was: a database that is behind it was restored from a backup.

A restored database has forgotten requests that were made. Sending on would double them, so the account is quarantined
until `campaigns recover` has swept the gateway for what was forgotten.
"""

import os
import threading
from pathlib import Path
from typing import Final, Protocol

import redis

from worker.logs import get_logger

REDIS_KEY: Final = "campaigns:marker"


class Marker(Protocol):
    """The highest attempt id that a request was made for, as far as this mark knows."""

    def read(self) -> int:
        """The mark; 0 where there is none."""
        ...

    def advance(self, attempt_id: int) -> None:
        """Move the mark up to `attempt_id`, before the request is made; never down. A failure is logged, not raised."""
        ...

    def reset(self, attempt_id: int) -> None:
        """Set the mark back, after a recovery."""
        ...


def beside(database: Path) -> Path:
    """Where the mark of an SQLite database is kept."""
    return database.with_name(f"{database.name}.marker")


class FileMarker:
    """A small file beside an SQLite database. Not synced: it guards against a restored file, not against power."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known = self.read()

    def read(self) -> int:
        try:
            return int(self._path.read_text(encoding="ascii").strip() or 0)
        except (OSError, ValueError):
            return 0

    def advance(self, attempt_id: int) -> None:
        with self._lock:
            if attempt_id > self._known:
                self._write(attempt_id)

    def reset(self, attempt_id: int) -> None:
        with self._lock:
            self._write(attempt_id)

    def _write(self, attempt_id: int) -> None:
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.pwrite(handle, f"{attempt_id:<20}\n".encode(), 0)  # one write of fixed length is never seen torn
            finally:
                os.close(handle)
        except OSError as error:
            get_logger().warning("marker.write_failed", problem=error.strerror)
            return
        self._known = attempt_id


_ADVANCE = """
local known = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) > known then redis.call('SET', KEYS[1], ARGV[1]) end
"""


class RedisMarker:
    """The mark in Redis, shared by every worker of a PostgreSQL database."""

    def __init__(self, client: redis.Redis, key: str) -> None:
        self._client = client
        self._key = key
        self._advance = client.register_script(_ADVANCE)

    def read(self) -> int:
        try:
            return int(self._client.get(self._key) or 0)
        except (redis.RedisError, ValueError):
            return 0

    def advance(self, attempt_id: int) -> None:
        try:
            self._advance(keys=[self._key], args=[attempt_id])
        except redis.RedisError as error:
            get_logger().warning("marker.write_failed", problem=type(error).__name__)

    def reset(self, attempt_id: int) -> None:
        self._client.set(self._key, attempt_id)


class NoMarker:
    """Where there is neither a database file nor a Redis: a restored backup is then not noticed by itself."""

    def read(self) -> int:
        return 0

    def advance(self, attempt_id: int) -> None:
        """Nothing to move."""

    def reset(self, attempt_id: int) -> None:
        """Nothing to set."""
