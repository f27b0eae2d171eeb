"""The throttle that all processes share, on Redis."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Final, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from campaigns.clock import Clock
from worker.throttle.history import ENTRY_PARTS, GRACE_PARTS, LATENESS_PARTS, LATENESS_US
from worker.throttle.levels import (
    MICROSECOND,
    Level,
    Reservation,
    ThrottleUnavailable,
    check_question,
    from_microseconds,
    to_microseconds,
)

# An answer takes 0.2 ms; a server that needs a second is not well, and a sender can wait better elsewhere.
_TIMEOUT_SECONDS: Final = 1.0


def connect_for_throttle(url: str) -> redis.Redis:
    """A client with short timeouts and without retries: a repeated question after a lost answer would take twice."""
    return redis.Redis.from_url(
        url,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


class RedisThrottle:
    """A `Throttle` for any number of threads, processes and machines, on the clock of the Redis server.

    Its keys begin with `prefix` and expire a window after the last question. `clock` replaces the server's clock:
    only for comparing decisions, since the clocks of two machines never agree.
    """

    def __init__(self, client: redis.Redis, prefix: str = "campaigns:throttle:", clock: Clock | None = None) -> None:
        self._prefix = prefix
        self._clock = clock
        self._script = client.register_script(files(__package__).joinpath("reserve.lua").read_text("utf-8"))

    def reserve(self, cost_segments: int, levels: Sequence[Level]) -> Reservation:
        """See `Throttle.reserve`."""
        check_question(cost_segments, levels)
        arguments: list[int | str] = [
            cost_segments, "" if self._clock is None else to_microseconds(self._clock.now()),
            LATENESS_US, LATENESS_PARTS, ENTRY_PARTS, GRACE_PARTS,
        ]  # fmt: skip
        for level in levels:
            arguments += (level.limit_segments, level.per_us)
        try:
            answer = self._script([self._prefix + level.name for level in levels], arguments)
        except redis.RedisError as error:
            raise ThrottleUnavailable(
                f"Redis does not answer the throttle ({type(error).__name__}): nothing is sent until it does;"
                " check that the server at CAMPAIGNS_REDIS_URL runs."
            ) from error
        wait_us, now_us = map(int, cast(list[bytes], answer))
        return Reservation(wait_us * MICROSECOND, from_microseconds(now_us))
