"""Requests leave as far apart as their grants: each a fixed time after its grant, not whenever it is ready."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from campaigns.clock import Clock
from worker.throttle import Limit, RateLimit

LONGEST: Final = timedelta(seconds=0.1)
"""How long intent, connection and last look take on a busy machine: 9 of 10 requests were ready within it when 14
processes shared two cores (measured)."""

AT_MOST_SECONDS: Final = 1.0
"""The most that one request counts: a gateway that did not answer for a minute counts as fast again within about thirty
requests."""

WEIGHT: Final = 0.1
"""The weight of the newest request in the means: they follow a change within about twenty requests."""


class GrantSpacing:
    """How long this process holds its requests back, so that half of its threads are enough for them.

    A process whose threads are busy holds nothing back: it sends as much as it can, less evenly. It is busy when most
    requests find their slot free, because they come late. Shared by all of its threads; if they overwrite each other's
    means, that is one request of many.
    """

    def __init__(self, clock: Clock, threads: int) -> None:
        self._clock = clock
        self._half = threads // 2
        self._distance_seconds = AT_MOST_SECONDS
        self._answer_seconds = 0.0
        self._on_time = 1.0
        self._last = clock.elapsed_seconds() - AT_MOST_SECONDS

    def begin(self, limits: Sequence[Limit], *, has_waited: bool) -> float:
        """Return when to write the request that was just granted, in `elapsed_seconds`.

        `has_waited`: it waited for a slot. Without a level there are no distances to keep, so the answer is now.
        """
        now = self._clock.elapsed_seconds()
        self._distance_seconds += _step(self._distance_seconds, now - self._last)
        self._last = now
        if not any(isinstance(limit, RateLimit) for limit in limits):
            return now
        self._on_time += WEIGHT * (has_waited - self._on_time)
        allowed = self._half * self._distance_seconds - self._answer_seconds
        return now + max(0.0, min(allowed, LONGEST.total_seconds())) * min(1.0, 2 * self._on_time)

    def hold(self, until: float) -> None:
        """Wait for the moment that `begin` returned."""
        seconds = until - self._clock.elapsed_seconds()
        if seconds > 0:  # sleeping for no time still hands the interpreter to the other threads
            self._clock.sleep(seconds)

    def end(self, until: float) -> None:
        """Record that the thread of that request is free again."""
        self._answer_seconds += _step(self._answer_seconds, self._clock.elapsed_seconds() - until)


def _step(mean: float, seconds: float) -> float:
    return WEIGHT * (min(max(0.0, seconds), AT_MOST_SECONDS) - mean)
