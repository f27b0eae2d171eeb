"""How many calls each caller may make: a bucket of tokens that fills up again, in the memory of the process."""

import math
import time
from dataclasses import dataclass, field
from typing import Final

from scheduler.web.api.problems import CallProblem, Fault

BURST: Final = 5
"""A caller that was quiet may make the calls of this many seconds at once."""

MOST_CALLERS: Final = 10_000
"""How many buckets are kept. Beyond that, full ones are forgotten: a new bucket is full, too."""


@dataclass(slots=True)
class _Bucket:
    left: float
    at_seconds: float


@dataclass(slots=True)
class CallRates:
    """The buckets of all callers. `per_second`: how many calls each may make in the long run."""

    per_second: int
    _buckets: dict[str, _Bucket] = field(default_factory=dict)

    def take(self, caller: str, now_seconds: float | None = None) -> None:
        """Count one call. Raises `CallProblem` with the time to wait if there were too many."""
        now = time.monotonic() if now_seconds is None else now_seconds
        most = self.per_second * BURST
        bucket = self._buckets.get(caller)
        if bucket is None:
            self._make_room(now)
            bucket = self._buckets[caller] = _Bucket(most, now)
        bucket.left = min(most, bucket.left + (now - bucket.at_seconds) * self.per_second)
        bucket.at_seconds = now
        if bucket.left < 1:
            wait = math.ceil((1 - bucket.left) / self.per_second)
            sentence = f"{caller} makes too many calls: the limit is {self.per_second} per second, with short bursts"
            raise CallProblem(Fault.TOO_MANY, sentence, headers={"Retry-After": str(wait)})
        bucket.left -= 1

    def _make_room(self, now: float) -> None:
        if len(self._buckets) >= MOST_CALLERS:
            self._buckets = {
                caller: bucket for caller, bucket in self._buckets.items() if now - bucket.at_seconds < BURST
            }
