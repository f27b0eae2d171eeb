"""Clocks: how far the others are off from ours."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import redis

from campaigns.clock import Clock
from scheduler.doctor.findings import Area, Finding, ok, problem
from worker.store import health
from worker.store.engine import Store
from worker.store.following.clock_offsets import MARGIN

GATEWAY_OFFSET: Final = MARGIN / 2
"""Look-ups ask for a time window that is `MARGIN` wider on both sides; half of that leaves time to act."""

SERVER_OFFSET: Final = timedelta(seconds=5)
"""Leases and sweeps count in tens of seconds; machines with synchronised clocks differ by a fraction of one."""


def check_database_clock(store: Store, clock: Clock) -> Iterator[Finding]:
    """Check PostgreSQL's clock; an SQLite file has none."""
    if store.is_sqlite:
        return

    def read() -> datetime:
        with store.read() as session:
            return health.server_time(session)

    yield compared("PostgreSQL", *measured(read, clock), SERVER_OFFSET)


def check_redis_clock(client: redis.Redis, clock: Clock) -> Iterator[Finding]:
    """Check Redis's clock, which the throttle uses."""

    def read() -> datetime:
        answer: Any = client.time()
        return datetime.fromtimestamp(answer[0] + answer[1] / 1_000_000, UTC)

    try:
        offset, uncertainty = measured(read, clock)
    except redis.RedisError:
        return  # another check reports that it does not answer
    yield compared("Redis", offset, uncertainty, SERVER_OFFSET)


def measured(read: Callable[[], datetime], clock: Clock) -> tuple[timedelta, timedelta]:
    """Return (how far ahead of ours a clock is, how wrong that may be), read in the middle of the time it took."""
    before = clock.now()
    shown = read()
    took = clock.now() - before
    return shown - (before + took / 2), took / 2


def compared(whose: str, offset: timedelta, uncertainty: timedelta, most: timedelta) -> Finding:
    """Return a finding about an offset that may be at most `most`."""
    seconds = offset.total_seconds()
    direction = "ahead of" if seconds >= 0 else "behind"
    give_or_take = f"give or take {uncertainty.total_seconds():.1f}"
    shown = f"the clock of {whose} is {abs(seconds):,.1f} s {direction} this machine's ({give_or_take})"
    if abs(offset) > most + uncertainty:
        return problem(
            Area.CLOCK, shown, f"keep the time of both machines with NTP: at most {most.total_seconds():.0f} s"
        )
    return ok(Area.CLOCK, shown)
