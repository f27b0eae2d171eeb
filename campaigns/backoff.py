"""How long to wait before a request is made, or a look taken, again."""

import random
from datetime import timedelta
from typing import Final

ROUNDS: Final = (1, 5, 15)
"""After a throttled request or a proven miss: so many fifths of `settle`, the first, the second and every later time.

That is 1, 5 and 15 minutes where `settle` is its usual 5 minutes; tests that shorten the one shorten the other.
"""

LEAST_SHARE: Final = 10
"""What took 4 s once, on a busy machine, is no reason to wait 80 s: after the longest pause, or where looking always
takes that long, after 10 times as long."""


def backoff_after(attempt: int, rng: random.Random, *, settle: timedelta) -> timedelta:
    """The pause before the next attempt; `attempt` counts from 1. Jitter of up to a tenth."""
    return settle * ROUNDS[min(attempt, len(ROUNDS)) - 1] / 5 * (1 + rng.random() / 10)


def reconnect_after(failures: int, rng: random.Random) -> timedelta:
    """The pause after `failures` connections in a row that failed: nothing was sent. 0.5 s, doubling to 60 s."""
    return timedelta(seconds=min(60.0, 0.5 * 2.0 ** min(failures - 1, 10))) * (1 + rng.random() / 10)


def pause_after(took_seconds: float, *, share: float, longest: float, shortest: float = 0) -> float:
    """Seconds to the next look after one that took so long: `share` times as long, within `shortest` and `longest`.

    `longest` gives way where it is less than `LEAST_SHARE` times as long.
    """
    return max(shortest, min(share * took_seconds, max(longest, LEAST_SHARE * took_seconds)))
