"""How long to wait before a request is made again."""

import random
from datetime import timedelta
from typing import Final

AFTER_REFUSAL: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
"""After a throttled request or a proven miss: the first, the second and every later time."""


def backoff_after(attempt: int, rng: random.Random) -> timedelta:
    """The pause before the next attempt after a refusal; `attempt` counts from 1. Jitter of up to a tenth."""
    pause = AFTER_REFUSAL[min(attempt, len(AFTER_REFUSAL)) - 1]
    return pause * (1 + rng.random() / 10)


def reconnect_after(failures: int, rng: random.Random) -> timedelta:
    """The pause after `failures` connections in a row that failed: nothing was sent. 0.5 s, doubling to 60 s."""
    return timedelta(seconds=min(60.0, 0.5 * 2.0 ** min(failures - 1, 10))) * (1 + rng.random() / 10)
