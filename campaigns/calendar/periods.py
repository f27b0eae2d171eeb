"""Days and months in the local time of a zone: the periods of budgets."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from campaigns.calendar.localtime import to_utc

Period = tuple[datetime, datetime]
"""The first moment of a period and the first moment after it, both in UTC."""


def day_of(now: datetime, zone: ZoneInfo) -> Period:
    """Return the day in `zone` at `now` (aware). It has 23 or 25 hours when clocks go forward or back."""
    today = now.astimezone(zone).date()
    return _between(today, today + timedelta(days=1), zone)


def month_of(now: datetime, zone: ZoneInfo) -> Period:
    """Return the month in `zone` at `now` (aware)."""
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


@dataclass(frozen=True, slots=True)
class PeopleBudget:
    """At most this many different people for each phone in a calendar month of `zone`."""

    people: int
    zone: ZoneInfo

    def __str__(self) -> str:
        return f"{self.people:,} people a month"
