"""Slowing a phone down that says it has sent too much: halved at once, given back step by step.

Android lets an app send some 30 texts in a while and then answers every further one with "limit exceeded". Where
exactly the limit lies differs from phone to phone, so it is found by halving, and tried again by doubling.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from campaigns.definition import Rate

SLOW_FOR: Final = timedelta(minutes=15)
"""How long a lowered rate holds, and how long each doubling after it."""

AGAIN_AFTER: Final = timedelta(minutes=1)
"""Reports within so long count as one: those of one request come together."""

SLOWEST: Final = Rate(1, timedelta(minutes=5))
"""A phone is not slowed down further than this: its receipts would come too rarely to learn from."""

USUAL: Final = Rate(30, timedelta(minutes=1))
"""Where a device without a rate begins that sent nothing lately: Android's own limit."""


@dataclass(frozen=True, slots=True)
class Slowdown:
    """A device's lowered rate: `rate` from `since` on, doubled after each `SLOW_FOR`, none of it left at `until`."""

    rate: Rate
    since: datetime
    until: datetime

    def rate_at(self, now: datetime) -> Rate | None:
        """What it allows at a moment; None once it is over."""
        if now >= self.until:
            return None
        doublings = max(0, (now - self.since) // SLOW_FOR)
        rate = self.rate
        for _ in range(doublings):
            rate = _doubled(rate)
        return rate


def slower(rate: Rate, now: datetime, before: Slowdown | None = None) -> Slowdown | None:
    """What follows from a report of a phone that its limit is exceeded; None: nothing new.

    `rate` is what the device has at this moment; `before` what earlier reports made of it.
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
    # Over a longer time only when the count cannot be halved: 450 an hour would let 450 go in the first minute.
    half = Rate(rate.count // 2, rate.per) if rate.count > 1 else Rate(1, rate.per * 2)
    return max(half, SLOWEST, key=lambda r: r.per_second) if rate.per_second > SLOWEST.per_second else rate


def _doubled(rate: Rate) -> Rate:
    return Rate(rate.count * 2, rate.per)
