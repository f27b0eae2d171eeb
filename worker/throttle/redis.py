"""The throttle that all processes share, on Redis."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Final, cast

import redis
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.retry import Retry

from campaigns.clock import Clock
from worker.throttle.history import ENTRY_PARTS, GRACE_PARTS, LATENESS_PARTS, LATENESS_US, LOWER_PARTS, History
from worker.throttle.levels import (
    MICROSECOND,
    PAUSE,
    Budget,
    Ledger,
    Limit,
    RateLimit,
    Reservation,
    ThrottleUnavailable,
    check_question,
    from_microseconds,
    no_records,
    to_microseconds,
)
from worker.throttle.spending import AGAIN_US

# An answer takes 0.2 ms; a server that needs a second is in trouble, and a sender can wait better elsewhere.
_TIMEOUT_SECONDS: Final = 1.0


def connect_for_throttle(url: str) -> redis.Redis:
    """Return a client with short timeouts and no retries: repeating a question after a lost answer would take twice."""
    return redis.Redis.from_url(
        url,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


class RedisThrottle:
    """A `Throttle` for any number of threads, processes and machines, on the clock of the Redis server.

    What a Redis no longer knows after it was emptied, restarted or replaced is read from the `ledger`, no sooner than
    `pause` after the loss was noticed. Its keys begin with `prefix` and expire with what they are for. `clock` replaces
    the server's clock: only for comparing decisions, since the clocks of two machines never agree.
    """

    def __init__(
        self,
        client: redis.Redis,
        ledger: Ledger = no_records,
        *,
        pause: timedelta = PAUSE,
        prefix: str = "campaigns:throttle:",
        clock: Clock | None = None,
    ) -> None:
        self._ledger = ledger
        self._pause_us = pause // MICROSECOND
        self._prefix = prefix
        self._clock = clock
        self._reserve, self._seed, self._give_back = (
            client.register_script(files(__package__).joinpath(f"{name}.lua").read_text("utf-8"))
            for name in ("reserve", "seed", "give_back")
        )

    def reserve(self, cost_segments: int, limits: Sequence[Limit], *, is_urgent: bool = False) -> Reservation:
        """See `Throttle.reserve`. Also raises whatever the ledger raises."""
        check_question(cost_segments, limits)
        keys = [self._prefix + "epoch", *(self._prefix + limit.name for limit in limits)]
        parts = [part for limit in limits for part in _parts(limit)]
        while True:
            now = "" if self._clock is None else to_microseconds(self._clock.now())
            shared = (
                cost_segments,
                now,
                LATENESS_US,
                LATENESS_PARTS,
                ENTRY_PARTS,
                GRACE_PARTS,
                self._pause_us,
                AGAIN_US,
                LOWER_PARTS,
                int(is_urgent),
            )
            arguments = [*shared, *parts]
            wait_us, now_us, is_spent, epoch, *missing = map(
                int, cast(list[bytes], _ask(self._reserve, keys, arguments))
            )
            if not missing:
                return Reservation(wait_us * MICROSECOND, from_microseconds(now_us), bool(is_spent))
            for place in missing:
                self._recall(limits[place], f"{keys[1 + place]}@{epoch}", now_us)

    def give_back(self, cost_segments: int, limits: Sequence[Limit], at: datetime) -> None:
        """See `Throttle.give_back`."""
        for limit in limits:
            if isinstance(limit, Budget):
                keys = [self._prefix + "epoch", self._prefix + limit.name]
                _ask(self._give_back, keys, [cost_segments, to_microseconds(at)])

    def _recall(self, limit: Limit, key: str, now_us: int) -> None:
        granted = self._ledger(limit, from_microseconds(now_us))
        if isinstance(limit, RateLimit):
            history = History()
            history.recall(granted, limit.limit_segments, limit.per_us)
            kept_us, kind, lines = limit.per_us, "level", history.lines()
        else:
            spent = sum(segments for _, segments in granted)
            kept_us, kind = max(0, to_microseconds(limit.ends_at) - now_us), "budget"
            lines = ["segments", str(spent), "since", str(now_us)]
        _ask(self._seed, [key], [kept_us // 1000 + 1000, kind, *lines])


def _parts(limit: Limit) -> tuple[int | str, ...]:
    if isinstance(limit, RateLimit):
        return (limit.limit_segments, "level", limit.per_us, 0)
    return (limit.limit_segments, "budget", to_microseconds(limit.starts_at), to_microseconds(limit.ends_at))


def _ask(script: Script, keys: Sequence[str], arguments: Sequence[int | str]) -> object:
    try:
        return script(keys, arguments)
    except redis.RedisError as error:
        raise ThrottleUnavailable(
            f"Redis does not answer the throttle ({type(error).__name__}): nothing is sent until it does;"
            " check that the server at CAMPAIGNS_REDIS_URL runs."
        ) from error
