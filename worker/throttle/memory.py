"""The throttle of one process."""

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from campaigns.clock import Clock
from worker.throttle.history import History
from worker.throttle.levels import (
    MICROSECOND,
    PAUSE,
    Budget,
    Ledger,
    Limit,
    RateLimit,
    Reservation,
    check_question,
    from_microseconds,
    no_records,
    to_microseconds,
)
from worker.throttle.spending import AGAIN_US, Spending

JUMP_US: Final = 10_000_000
"""A clock that steps by at least this much was set; smaller steps are corrections."""

_SWEEP_EVERY_US: Final = 60_000_000


class InMemoryThrottle:
    """A `Throttle` for all threads of this process. It reads from the `ledger` what earlier processes were granted.

    `pause`: how long a budget that is first asked for while others send waits for them to record their grants.
    """

    def __init__(self, clock: Clock, ledger: Ledger = no_records, *, pause: timedelta = PAUSE) -> None:
        self._clock = clock
        self._ledger = ledger
        self._pause_us = pause // MICROSECOND
        self._lock = threading.Lock()
        self._histories: dict[str, tuple[int, History]] = {}  # name -> per in microseconds, history
        self._spendings: dict[str, tuple[int, Spending]] = {}  # name -> end in microseconds, spending
        self._ripe_us: dict[str, int] = {}  # a budget that is not known yet -> when the ledger will have everything
        self._reading: set[str] = set()  # limits whose ledger a thread is reading now
        self._begun_us = to_microseconds(clock.now())
        self._apart_us = self._begun_us - self._elapsed_us()
        self._put_us = 0  # by how much the clock has been set forward since
        self._last_grant_us: int | None = None
        self._next_sweep_us = 0

    def reserve(self, cost_segments: int, limits: Sequence[Limit], *, is_urgent: bool = False) -> Reservation:
        """See `Throttle.reserve`. Never raises `ThrottleUnavailable`, but passes on what the ledger raises."""
        check_question(cost_segments, limits)
        while True:
            with self._lock:
                now_us = self._now_us()
                self._begun_us = min(self._begun_us, now_us - self._put_us)
                self._sweep(now_us)
                waits_us = [wait_us for limit in limits if (wait_us := self._unknown_us(limit, now_us)) is not None]
                if not waits_us:
                    return self._decide(cost_segments, limits, now_us, is_urgent=is_urgent)
                missing = [limit for limit in limits if self._unknown_us(limit, now_us) == 0]
                if not missing:
                    return Reservation(max(waits_us) * MICROSECOND, from_microseconds(now_us))
                self._reading.update(limit.name for limit in missing)
            self._recall(missing, now_us)

    def give_back(self, cost_segments: int, limits: Sequence[Limit], at: datetime) -> None:
        """See `Throttle.give_back`."""
        with self._lock:
            for limit in limits:
                _, spending = self._spendings.get(limit.name, (0, None))
                if spending is not None and spending.known_since_us <= to_microseconds(at):
                    spending.segments -= cost_segments

    def _elapsed_us(self) -> int:
        return round(self._clock.elapsed_seconds() * 1_000_000)

    def _now_us(self) -> int:
        """Return the wall clock; notice when it was set. Levels ignore the step: no burst, no hour without grants."""
        now_us = to_microseconds(self._clock.now())
        apart_us = now_us - self._elapsed_us()
        if abs(apart_us - self._apart_us) >= JUMP_US:
            self._put_us += apart_us - self._apart_us
        self._apart_us = apart_us
        return now_us

    def _decide(self, cost_segments: int, limits: Sequence[Limit], now_us: int, *, is_urgent: bool) -> Reservation:
        wait_us, is_spent = 0, False
        level_us = now_us - self._put_us
        levels, spendings = [], []
        for limit in limits:
            if isinstance(limit, Budget):
                spending = self._spendings[limit.name][1]
                is_spent |= spending.is_spent(cost_segments, limit, now_us)
                wait_us = max(wait_us, spending.ready_us(cost_segments, limit, now_us) - now_us)
                spendings.append(spending)
            else:
                per_us, most = limit.per_us, limit.limit_segments
                cost = min(cost_segments, most)
                _, history = self._histories.setdefault(limit.name, (per_us, History()))
                history.forget(level_us, per_us)
                ready_us = history.ready_us(cost, most, per_us, level_us, is_urgent=is_urgent)
                wait_us = max(wait_us, ready_us - level_us)
                levels.append((history, cost, most, per_us))
        for history, cost, most, per_us in levels:
            if wait_us == 0:
                history.take(cost, most, per_us, level_us, is_urgent=is_urgent)
            elif not is_spent:  # a request that waits for tomorrow needs no room today
                history.refuse(cost, most, per_us, level_us, is_urgent=is_urgent)
        if wait_us == 0:
            self._last_grant_us = now_us
            for spending in spendings:
                spending.segments += cost_segments
        return Reservation(wait_us * MICROSECOND, from_microseconds(now_us), is_spent)

    def _unknown_us(self, limit: Limit, now_us: int) -> int | None:
        """Return how long until the ledger of a limit without a record can be read; None if the record is here."""
        if isinstance(limit, RateLimit):
            # A level without a history was idle, unless this process is younger than its window.
            if limit.name in self._histories or now_us - self._put_us - self._begun_us >= limit.per_us:
                return None
            ripe_us = now_us
        else:
            if limit.name in self._spendings:
                return None
            was_idle = self._last_grant_us is None or self._last_grant_us + self._pause_us <= now_us
            ripe_us = self._ripe_us.setdefault(limit.name, now_us if was_idle else now_us + self._pause_us)
        return max(AGAIN_US if limit.name in self._reading else 0, ripe_us - now_us)

    def _recall(self, missing: Sequence[Limit], now_us: int) -> None:
        """Read the ledger for these limits, which this thread has put into `_reading`."""
        try:
            for limit in missing:
                granted = list(self._ledger(limit, from_microseconds(now_us)))
                with self._lock:
                    if isinstance(limit, RateLimit):
                        history = History()
                        put = timedelta(microseconds=self._put_us)
                        history.recall([(at - put, n) for at, n in granted], limit.limit_segments, limit.per_us)
                        self._histories[limit.name] = (limit.per_us, history)
                    else:
                        spent = sum(segments for _, segments in granted)
                        since_us = to_microseconds(self._clock.now())
                        self._spendings[limit.name] = (to_microseconds(limit.ends_at), Spending(spent, since_us))
                        self._ripe_us.pop(limit.name, None)
        finally:
            with self._lock:
                self._reading.difference_update(limit.name for limit in missing)

    def _sweep(self, now_us: int) -> None:
        """Drop the limits of ended campaigns; otherwise a process that runs for months would keep them all."""
        if now_us < self._next_sweep_us <= now_us + _SWEEP_EVERY_US:  # further ahead: the clock was set back
            return
        self._next_sweep_us = now_us + _SWEEP_EVERY_US
        over = [
            name
            for name, (per_us, history) in self._histories.items()
            if history.is_over(now_us - self._put_us, per_us)
        ]
        for name in over:
            del self._histories[name]
        for name in [name for name, (end_us, _) in self._spendings.items() if end_us <= now_us]:
            del self._spendings[name]
        for name in [name for name, ripe_us in self._ripe_us.items() if ripe_us + _SWEEP_EVERY_US <= now_us]:
            del self._ripe_us[name]
