"""Redis at its memory limit: it refuses what would be stored, or drops other keys for it."""

import time
from contextlib import ExitStack, suppress
from typing import Final

import redis

from tests.prove.faults.trial import Fault, World
from worker.servers.conditions import Trouble

FULL_SECONDS: Final = 8.0
DROPPING_SECONDS: Final = 15.0
BALLAST_BYTES: Final = 4_096
JOBS_SECONDS: Final = 60.0
JOBS: Final = "jobs that Redis lost are queued again within a minute (deploy/OPERATING.md)"


class RedisFull(Fault):
    """Redis refuses all writes for some seconds (`noeviction`)."""

    name = "Redis full"
    is_fleet = True
    told = (Trouble.REDIS_FULL,)
    waits_seconds = JOBS_SECONDS
    because = JOBS

    def happen(self, world: World) -> None:
        with redis.Redis.from_url(world.ground.backing.redis_url) as client:
            client.config_set("maxmemory", 1)
            world.await_said(Trouble.REDIS_FULL)
            world.nothing_is_sent(FULL_SECONDS)
            client.config_set("maxmemory", 0)


class RedisDrops(Fault):
    """Redis drops any keys, again and again, because somebody else fills it (`allkeys-random`)."""

    name = "Redis drops keys"
    is_fleet = True
    people = 500
    told = (Trouble.REDIS_FORGETS,)
    waits_seconds = JOBS_SECONDS
    because = JOBS
    _dropped = 0

    def arrange(self, world: World, stack: ExitStack) -> None:
        self._client = stack.enter_context(redis.Redis.from_url(world.ground.backing.redis_url))

    def happen(self, world: World) -> None:
        client, until, number = self._client, time.monotonic() + DROPPING_SECONDS, 0
        client.config_set("maxmemory-policy", "allkeys-random")
        client.config_set("maxmemory", int(client.info("memory")["used_memory"]) + 8 * BALLAST_BYTES)
        try:
            while time.monotonic() < until:
                number += 1
                with suppress(redis.OutOfMemoryError):  # nothing is left to drop
                    client.set(f"somebody-else:{number}", b"x" * BALLAST_BYTES, ex=2)
                time.sleep(0.02)
        finally:
            client.config_set("maxmemory", 0)
            client.config_set("maxmemory-policy", "noeviction")
        self._dropped = int(client.info("stats")["evicted_keys"])
        if not self._dropped:
            world.broken.append("Redis dropped nothing: the trial tried nothing")

    def figures(self) -> str:
        return f"{self._dropped:,} keys dropped"
