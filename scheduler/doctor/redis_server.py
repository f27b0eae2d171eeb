"""Redis, if it is set: what the queue and the throttle need from it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import redis

from scheduler.doctor.findings import Area, Finding, in_trouble, ok, problem, unknown
from worker.jobs import QUEUES
from worker.throttle import RateLimit, ThrottleUnavailable
from worker.throttle.redis import RedisThrottle

REDIS: Final = Area.REDIS

PROBE: Final = RateLimit("doctor", 1_000_000, timedelta(seconds=1))
"""A level of the doctor's own with a million segments a second, so that the question takes nothing from anybody."""

JOBS: Final = tuple(f"campaigns:{queue}{ending}" for queue in QUEUES.values() for ending in ("", ".DQ"))
"""Where Dramatiq keeps its jobs: those to do now, and those that wait for a moment."""


def count_jobs(client: redis.Redis) -> int | None:
    """Return how many jobs the shared queue holds; None if Redis does not answer."""
    try:
        counts: list[Any] = [client.llen(key) for key in JOBS]
    except redis.RedisError:
        return None
    return sum(int(count) for count in counts)


def check_redis(client: redis.Redis) -> Iterator[Finding]:
    """Check whether Redis answers, loses nothing while it runs, and keeps the limits when it restarts."""
    try:
        memory: Any = client.info("memory")
        kept: Any = client.info("persistence")
    except redis.RedisError as error:
        yield in_trouble(REDIS, error) or problem(
            REDIS,
            f"Redis refused a command ({type(error).__name__})",
            "check that its user may run INFO, SET and EVALSHA; nothing is sent until it answers",
        )
        return
    yield ok(REDIS, "Redis answers")
    yield _eviction(str(memory.get("maxmemory_policy", "")), int(memory.get("maxmemory", 0)))
    yield _persistence(client, kept)
    yield _throttle(client)


def _eviction(policy: str, most_bytes: int) -> Finding:
    if not policy:
        return unknown(REDIS, "Redis does not report its maxmemory-policy", "check that it is noeviction")
    if policy != "noeviction":
        return problem(
            REDIS,
            f"Redis forgets keys when its memory is full (maxmemory-policy {policy}, maxmemory {most_bytes:,} bytes): "
            "jobs get lost, and nothing is sent until limits are counted from the database",
            "set maxmemory-policy to noeviction",
        )
    return ok(REDIS, "Redis forgets nothing when its memory is full (maxmemory-policy noeviction)")


def _persistence(client: redis.Redis, kept: dict[str, Any]) -> Finding:
    if kept.get("aof_enabled"):
        if kept.get("aof_last_write_status", "ok") != "ok":
            return problem(REDIS, "Redis could not write its log to disk", "check that its disk is not full")
        return ok(REDIS, "Redis keeps its state on disk (appendonly yes)")
    try:
        answer: Any = client.config_get("save")
    except redis.RedisError:
        return unknown(
            REDIS,
            "Redis has no appendonly log and does not report whether it saves",
            "check that it keeps its state on disk",
        )
    if answer.get("save"):
        return ok(REDIS, f"Redis saves its state to disk from time to time (save {answer['save']})")
    return problem(
        REDIS,
        "Redis keeps nothing on disk: after its restart nothing is sent until rates are counted from the database, "
        "and a restored database is not noticed",
        "set appendonly to yes",
    )


def _throttle(client: redis.Redis) -> Finding:
    try:
        RedisThrottle(client).reserve(1, [PROBE])
    except ThrottleUnavailable as error:
        return in_trouble(REDIS, error) or problem(
            REDIS, str(error), "read the log of Redis, and check that its user may run scripts"
        )
    return ok(REDIS, "the throttle answers")
