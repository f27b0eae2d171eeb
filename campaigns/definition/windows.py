"""The only times at which anything is sent: `{days: mon-sat, from: "09:00", to: "20:00"}`."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationInfo, field_validator

from campaigns.definition.localtime import both_utc, jumps
from campaigns.definition.part import Part
from campaigns.definition.scalars import Scalar, refuse, shown

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT: Final = time()


def parse_days(text: str) -> frozenset[int]:
    """The weekdays that `text` names, Monday being 0: `mon-sat`, `mon,wed,fri`, `daily`; else ValueError."""
    days: set[int] = set()
    for part in text.casefold().replace(" ", "").split(","):
        match = re.fullmatch("([a-z]+)(?:-([a-z]+))?", part)
        ends = [end for end in match.groups() if end] if match else []
        if part == "daily":
            days.update(range(7))
        elif ends and all(end in DAYS for end in ends):
            first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
            days.update(day % 7 for day in range(first, last + 1 if last >= first else last + 8))
        else:
            hint = f"write mon-sat, or mon,wed,fri, or daily; the days are {', '.join(DAYS)}"
            refuse(f"must name days of the week, not {shown(text)}", hint)
    return frozenset(days)


def format_days(days: frozenset[int]) -> str:
    """`days` as `parse_days` reads them."""
    return "daily" if len(days) == 7 else ",".join(DAYS[day] for day in sorted(days))


def parse_time(text: str) -> time:
    """The time of day that `text` names, `24:00` being midnight; else ValueError."""
    match = re.fullmatch(r"(\d{1,2}):(\d\d)", text, re.ASCII)
    if match and text == "24:00":
        return MIDNIGHT
    if not match or int(match[1]) > 23 or int(match[2]) > 59:
        refuse(f"must be a time of day, not {shown(text)}", 'write hours and minutes, such as "09:00"')
    return time(int(match[1]), int(match[2]))


Weekdays = Annotated[frozenset[int], Scalar(frozenset, parse_days, format_days, {"type": "string", "minLength": 3})]
TimeOfDay = Annotated[
    time,
    Scalar(time, parse_time, lambda at: at.strftime("%H:%M"), {"type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2}$"}),
]


class Window(Part):
    """When sending is allowed, by the clocks of a zone.

    A window whose end is not after its beginning goes over midnight, and `days` name the day on which it opens; from
    00:00 to 24:00 is the whole day. What counts is what the clocks show: an hour that they repeat is inside both times.
    """

    days: Weekdays = Field(
        frozenset(range(7)), description="Days on which it opens.", examples=["mon-sat", "mon,wed,fri"]
    )
    opens: TimeOfDay = Field(alias="from", description="When it opens, by the clock.", examples=["09:00"])
    closes: TimeOfDay = Field(alias="to", description="When it closes; 24:00 is midnight.", examples=["20:00"])

    @field_validator("closes")
    @classmethod
    def _is_not_empty(cls, closes: time, info: ValidationInfo) -> time:
        if closes == info.data.get("opens") != MIDNIGHT:
            refuse("must differ from `from`", "for whole days write 00:00 to 24:00")
        return closes

    def contains(self, moment: datetime, zone: ZoneInfo) -> bool:
        """Whether sending is allowed at `moment` (aware)."""
        local = moment.astimezone(zone)
        today, wall = local.weekday(), local.time()
        if self.opens < self.closes:
            return today in self.days and self.opens <= wall < self.closes
        yesterday = (today - 1) % 7
        return (today in self.days and wall >= self.opens) or (yesterday in self.days and wall < self.closes)

    def next_open(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """The first moment from `moment` on at which sending is allowed, in UTC: `moment` itself when it is."""
        if self.contains(moment, zone):
            return moment.astimezone(UTC)
        return next(edge for edge in self._edges(moment, zone, days=22) if self.contains(edge, zone))

    def closes_at(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """The first moment from `moment` on at which sending is not allowed, in UTC; None when it always is."""
        if not self.contains(moment, zone):
            return moment.astimezone(UTC)
        return next((edge for edge in self._edges(moment, zone, days=8) if not self.contains(edge, zone)), None)

    def _edges(self, moment: datetime, zone: ZoneInfo, days: int) -> Iterator[datetime]:
        """The moments after `moment`, in order, at which it can open or close: nothing changes between them.

        Three weeks are enough to find an opening even where the clocks skip the only one of a week.
        """
        today = moment.astimezone(zone).date()
        edges: set[datetime] = set()
        for ahead in range(-1, days):
            day = today + timedelta(days=ahead)
            for at in (self.opens, self.closes):
                edges.update(both_utc(datetime.combine(day, at), zone))
            edges.update(jumps(day, zone))
        return iter(sorted(edge for edge in edges if edge > moment))
