"""Delays repeated attempts: of passwords, of codes."""

import math
from collections import OrderedDict
from typing import Final

from campaigns.clock import Clock

MOST_KEPT: Final = 10_000
"""How many names or addresses are remembered; the one that was quiet longest is forgotten first."""


class Slowing:
    """Lets each key try `burst` times at once, and then once in `seconds`. The memory is this process's own."""

    def __init__(self, clock: Clock, *, burst: int, seconds: float) -> None:
        self._clock = clock
        self._ahead = burst * seconds
        self._seconds = seconds
        self._free_at: OrderedDict[str, float] = OrderedDict()  # when everything that was tried is forgiven

    def wait_seconds(self, key: str) -> int:
        """Count an attempt and return 0; or return the seconds to wait before the next one, and count nothing."""
        now = self._clock.elapsed_seconds()
        free_at = max(self._free_at.get(key, now), now) + self._seconds
        if free_at - now > self._ahead:
            return math.ceil(free_at - now - self._ahead)
        self._free_at[key] = free_at
        self._free_at.move_to_end(key)
        if len(self._free_at) > MOST_KEPT:
            self._free_at.popitem(last=False)
        return 0

    def forgive(self, key: str) -> None:
        """Take back an attempt that succeeded."""
        if key in self._free_at:
            self._free_at[key] -= self._seconds
