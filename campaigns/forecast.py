"""When a campaign's first and last texts would leave, by its start, its window and the rates that apply."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.definition import Rate, Window
from campaigns.periods import Allowance

HORIZON: Final = timedelta(days=366)
"""What would take longer is a mistake in the rate or the window, and a date so far ahead would mean nothing."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Aware times in UTC. `last_send_at` is None when it lies more than a year after the first."""

    first_send_at: datetime
    last_send_at: datetime | None


def forecast(
    segments: int,
    *,
    start: datetime,
    rates: Sequence[Rate],
    window: Window | None,
    zone: ZoneInfo,
    budgets: Sequence[Allowance] = (),
) -> Forecast | None:
    """The estimate for so many segments from `start` (aware) on; None when there are none.

    The throttle spaces segments evenly, so each rate by itself gives the moment of the last one, and the latest of
    these counts. Each budget puts off what does not fit into a day or month, and the rates then spread what goes in the
    last one. Without a rate everything leaves at once: nobody knows how fast a gateway answers.
    """
    if segments < 1:
        return None
    first = window.next_open(start, zone) if window else start
    lasts = [_last(segments, first, rate, window, zone) for rate in rates]
    for budget in budgets:
        begins = _last_period(segments, first, budget, window, zone)
        rest = segments - (segments - 1) // budget.segments * budget.segments
        lasts += [begins, *(begins and _last(rest, begins, rate, window, zone) for rate in rates)]
    reached = [last for last in lasts if last is not None and last - first <= HORIZON]
    return Forecast(first, max(reached, default=first) if len(reached) == len(lasts) else None)


def _last_period(
    segments: int, first: datetime, budget: Allowance, window: Window | None, zone: ZoneInfo
) -> datetime | None:
    """When sending begins in the day or month in which the last segment fits into the budget."""
    begins = first
    for _ in range((segments - 1) // budget.segments):
        _, ends = budget.period_of(begins, budget.zone)
        begins = window.next_open(ends, zone) if window else ends
        if begins - first > HORIZON:
            return None
    return begins


def _last(segments: int, first: datetime, rate: Rate, window: Window | None, zone: ZoneInfo) -> datetime | None:
    """The moment of the last segment, the first of them leaving at `first`: one window after the other."""
    left, opens = segments, first
    while opens - first <= HORIZON:
        last = opens + rate.per * (left - 1) / rate.count
        closes = window.closes_at(opens, zone) if window else None
        if window is None or closes is None or last < closes:
            return last if last - first <= HORIZON else None
        fitting = -((opens - closes) * rate.count // rate.per)  # rounded up: the first leaves as the window opens
        left -= fitting
        # Across a night the rate has long recovered; across a short closure its spacing still holds.
        opens = window.next_open(max(closes, opens + rate.per * fitting / rate.count), zone)
    return None
