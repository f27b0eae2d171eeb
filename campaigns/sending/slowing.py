"""Slows down a phone that reports it has sent too much: its rate is halved at once and restored step by step.

Android lets an app send about 30 texts in some time and then answers every further one with "limit exceeded". The exact
limit differs from phone to phone, so it is found by halving, and tested again by doubling.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from campaigns.definition import Rate

SLOW_FOR: Final = timedelta(minutes=15)
"""How long a lowered rate lasts, and each doubling after it."""

AGAIN_AFTER: Final = timedelta(minutes=1)
"""Reports within this time count as one: those of one request come together."""

SLOWEST: Final = Rate(1, timedelta(minutes=5))
"""A phone is not slowed down further than this: its receipts would come too rarely to learn from."""

USUAL: Final = Rate(30, timedelta(minutes=1))
"""The rate at which slowing starts for a device that has no rate and sent nothing lately: Android's own limit."""


@dataclass(frozen=True, slots=True)
class Slowdown:
    """A device's lowered rate: `rate` from `since` on, doubled after each `SLOW_FOR`, over at `until`."""

    rate: Rate
    since: datetime
    until: datetime

    def rate_at(self, now: datetime) -> Rate | None:
        """Return the rate that it allows at a moment; None once it is over."""
        if now >= self.until:
            return None
        doublings = max(0, (now - self.since) // SLOW_FOR)
        rate = self.rate
        for _ in range(doublings):
            rate = _doubled(rate)
        return rate


def slower(rate: Rate, now: datetime, before: Slowdown | None = None) -> Slowdown | None:
    """Return the slowdown after a phone reports that its limit is exceeded; None: nothing new.

    `rate` is the device's rate at this moment; `before` is the result of earlier reports.
    """
    lowered = before.rate_at(now) if before else None
    if before is None or lowered is None:
        return Slowdown(_halved(rate), now, now + SLOW_FOR)
    if now - before.since < AGAIN_AFTER:
        return None
    steps_left = -((now - before.until) // SLOW_FOR)  # rounded up
    half = _halved(min(rate, lowered, key=lambda r: r.per_second))
    return Slowdown(half, now, now + SLOW_FOR * (steps_left + (half != lowered)))


def _halved(rate: Rate) -> Rate:
    # The time is lengthened only if the count cannot be halved: 450 an hour would let 450 go in the first minute.
    half = Rate(rate.count // 2, rate.per) if rate.count > 1 else Rate(1, rate.per * 2)
    return max(half, SLOWEST, key=lambda r: r.per_second) if rate.per_second > SLOWEST.per_second else rate


def _doubled(rate: Rate) -> Rate:
    return Rate(rate.count * 2, rate.per)
