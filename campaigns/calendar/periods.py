"""Days and months by the clocks of a zone: what a budget of segments is for."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from campaigns.calendar.localtime import to_utc

Period = tuple[datetime, datetime]
"""The first moment of a period and the first one after it, both in UTC."""


def day_of(now: datetime, zone: ZoneInfo) -> Period:
    """The day that clocks in `zone` show at `now` (aware); 23 or 25 hours long where they are put forward or back."""
    today = now.astimezone(zone).date()
    return _between(today, today + timedelta(days=1), zone)


def month_of(now: datetime, zone: ZoneInfo) -> Period:
    """The month that clocks in `zone` show at `now` (aware)."""
    first = now.astimezone(zone).date().replace(day=1)
    return _between(first, (first + timedelta(days=31)).replace(day=1), zone)


def _between(first: date, after: date, zone: ZoneInfo) -> Period:
    return to_utc(datetime.combine(first, time()), zone), to_utc(datetime.combine(after, time()), zone)


@dataclass(frozen=True, slots=True)
class PeriodBudget:
    """At most `segments` in each day or month of `zone`. `period_of` is `day_of` or `month_of`."""

    segments: int
    period_of: Callable[[datetime, ZoneInfo], Period]
    zone: ZoneInfo

    def __str__(self) -> str:
        return f"{self.segments:,} a {'day' if self.period_of is day_of else 'month'}"
