"""The throttle of one process."""

import threading
from collections.abc import Sequence
from datetime import datetime

from campaigns.clock import Clock
from worker.throttle.history import History
from worker.throttle.levels import (
    MICROSECOND,
    Level,
    Reservation,
    check_question,
    from_microseconds,
    to_microseconds,
)

_SWEEP_EVERY_US = 60_000_000


class InMemoryThrottle:
    """A `Throttle` for all threads of this process, forgotten with it: `remember` brings back what matters."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._histories: dict[str, tuple[int, History]] = {}  # name -> per in microseconds, history
        self._next_sweep_us = 0

    def reserve(self, cost_segments: int, levels: Sequence[Level]) -> Reservation:
        """See `Throttle.reserve`; never raises `ThrottleUnavailable`."""
        check_question(cost_segments, levels)
        with self._lock:
            now_us = to_microseconds(self._clock.now())
            self._sweep(now_us)
            wait_us = 0
            parts = []
            for level in levels:
                per_us, limit = level.per_us, level.limit_segments
                cost = min(cost_segments, limit)
                history = self._history(level)
                history.forget(now_us, per_us)
                wait_us = max(wait_us, history.ready_us(cost, limit, per_us, now_us) - now_us)
                parts.append((history, cost, limit, per_us))
            for history, cost, limit, per_us in parts:
                if wait_us == 0:
                    history.take(cost, limit, per_us, now_us)
                else:
                    history.refuse(cost, limit, per_us, now_us)
        return Reservation(wait_us * MICROSECOND, from_microseconds(now_us))

    def remember(self, cost_segments: int, levels: Sequence[Level], at: datetime) -> None:
        """Count a grant of an earlier process, from its records: a restart must not open a second budget.

        For each grant within the longest `per`, in order of time, before the first `reserve`.
        """
        check_question(cost_segments, levels)
        with self._lock:
            for level in levels:
                cost = min(cost_segments, level.limit_segments)
                self._history(level).take(cost, level.limit_segments, level.per_us, to_microseconds(at))

    def _history(self, level: Level) -> History:
        return self._histories.setdefault(level.name, (level.per_us, History()))[1]

    def _sweep(self, now_us: int) -> None:
        """Drop the levels of campaigns that ended, or a process that runs for months keeps them all."""
        if now_us < self._next_sweep_us:
            return
        self._next_sweep_us = now_us + _SWEEP_EVERY_US
        over = [name for name, (per_us, history) in self._histories.items() if history.is_over(now_us, per_us)]
        for name in over:
            del self._histories[name]
