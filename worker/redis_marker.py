"""The mark of `worker.marker` in Redis. Apart from it, because 142 modules of redis-py come with it."""

from datetime import UTC, datetime
from typing import Final

import redis

from worker.logs import get_logger

REDIS_KEY: Final = "campaigns:marker"

_ADVANCE = """
local known = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) > known then
  redis.call('MSET', KEYS[1], ARGV[1], KEYS[2], ARGV[2], KEYS[3], redis.call('TIME')[1])
end
"""


class RedisMarker:
    """The mark in Redis, shared by every worker of a PostgreSQL database."""

    def __init__(self, client: redis.Redis, key: str) -> None:
        self._client = client
        self._key, self._name_key, self._time_key = key, f"{key}:installation", f"{key}:moved_at"
        self._installation = ""
        self._promised = 0
        self._advance = client.register_script(_ADVANCE)

    def read(self) -> int:
        try:
            return int(self._client.get(self._key) or 0)
        except (redis.RedisError, ValueError):
            return 0

    def installation(self) -> str:
        try:
            name = self._client.get(self._name_key) or b""
            return name if isinstance(name, str) else name.decode(errors="replace")
        except redis.RedisError:
            return ""

    def adopt(self, installation: str) -> None:
        self._installation = installation

    def keep(self, more: int = 0) -> None:
        self._move_up(max(self._promised, self.read()) + more)

    def promised(self) -> int:
        return self._promised

    def advance(self, attempt_id: int) -> None:
        self._promised = max(self._promised, attempt_id)
        self._move_up(attempt_id)

    def _move_up(self, attempt_id: int) -> None:
        try:
            self._advance(keys=[self._key, self._name_key, self._time_key], args=[attempt_id, self._installation])
        except redis.RedisError as error:
            get_logger().warning("marker.write_failed", problem=type(error).__name__)

    def reset(self, attempt_id: int) -> None:
        self._client.mset({self._key: attempt_id, self._name_key: self._installation, self._time_key: 0})

    def moved_at(self) -> datetime | None:
        try:
            seconds = int(self._client.get(self._time_key) or 0)
        except (redis.RedisError, ValueError):
            return None
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
