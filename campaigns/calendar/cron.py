"""The five fields of a crontab line: the minutes, hours and days that it names."""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

NICKNAMES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
EXAMPLE: Final = "write minute, hour, day, month, weekday, such as 0 9 * * mon for Mondays at 09:00"
LONGEST_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class InvalidCron(Exception):
    """A text that is not a crontab line. `problem` continues a sentence after the key; `hint` says what to write."""

    def __init__(self, problem: str, hint: str = EXAMPLE) -> None:
        self.problem, self.hint = problem, hint
        super().__init__(f"{problem} ({hint})")


@dataclass(frozen=True, slots=True)
class Field:
    """One of the five fields: its name, lowest and highest value, and words for the values, starting at the lowest."""

    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()

    def values(self, text: str) -> frozenset[int]:
        """Parse `*`, `5`, `1-5`, `mon-fri`, `*/15`, `8-18/2`, and lists of these."""
        return frozenset(value for part in text.split(",") for value in self._part(part))

    def _part(self, part: str) -> range:
        match = re.fullmatch(r"(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/(\d{1,4}))?", part, re.ASCII)
        if not match or (match[1] == "*" and match[2]):
            raise InvalidCron(f"has an invalid {self.name}: '{part[:20]}'")
        first, last, step = match.groups()
        if step and int(step) == 0:
            raise InvalidCron(f"has a step of 0 for the {self.name}: '{part[:20]}'", "write a step of 1 or more")
        if first == "*":
            low, high = self.low, self.high
        else:
            low = self._value(first, part)
            # As in cron, 20/5 means every 5 from 20 on.
            high = self._value(last, part) if last else self.high if step else low
            # Sunday is 0 and 7: sat-sun and fri-sun end with 7.
            high = 7 if self.words and high == 0 < low and last else high
        if low > high:
            raise InvalidCron(
                f"has a range for the {self.name} that ends before it begins: '{part[:20]}'",
                f"write two parts, such as {first}-{self._shown(self.high)},{self._shown(self.low)}-{last}",
            )
        return range(low, high + 1, int(step or 1))

    def _value(self, word: str, part: str) -> int:
        if word in self.words:
            return self.low + self.words.index(word)
        if word.isdigit() and self.low <= int(word[:9]) <= self.high:
            return int(word)
        known = f"{self.low} to {self.high}" + (f" or {self.words[0]} to {self.words[-1]}" if self.words else "")
        raise InvalidCron(f"has an invalid {self.name}: '{part[:20]}'", f"the {self.name} is {known}")

    def _shown(self, value: int) -> str:
        index = value - self.low
        return self.words[index] if index < len(self.words) else str(value)


MINUTE: Final = Field("minute", 0, 59)
HOUR: Final = Field("hour", 0, 23)
DAY: Final = Field("day of the month", 1, 31)
MONTH: Final = Field(
    "month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
)
WEEKDAY: Final = Field("weekday", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat"))


@dataclass(frozen=True, slots=True)
class Cron:
    """A crontab line. `minutes` are minutes of the day, in order; `weekdays` count Monday as 0.

    If both a day of the month and a weekday are given, either is enough, as in Vixie's cron; a field that begins with *
    does not count as given. `by_the_clock` is true if minute or hour begins with *: such a line means every hour or
    every few minutes, not a time of day.
    """

    text: str
    minutes: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    by_the_clock: bool

    def has_day(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, day.weekday() in self.weekdays
        return in_month or in_week if self.either_day else in_month and in_week

    def walls(self, begins: datetime, ends: datetime) -> Iterator[datetime]:
        """Yield the naive local times from `begins` up to but excluding `ends` that the line names, in order."""
        for ahead in range((ends.date() - begins.date()).days + 1):
            day = begins.date() + timedelta(days=ahead)
            if not self.has_day(day):
                continue
            midnight = datetime.combine(day, time())
            first = -((midnight - begins) // timedelta(minutes=1)) if begins > midnight else 0
            for minute in self.minutes[bisect_left(self.minutes, first) :]:
                wall = midnight + timedelta(minutes=minute)
                if wall >= ends:
                    return
                yield wall

    def __str__(self) -> str:
        return self.text


def parse_cron(text: str) -> Cron:
    """Parse a crontab line, including names and nicknames such as @daily. Raises InvalidCron."""
    text = " ".join(text.casefold().split())
    if text.startswith("@") and text not in NICKNAMES:
        known = ", ".join(NICKNAMES)
        raise InvalidCron(f"is not a nickname that can be repeated: '{text[:20]}'", f"known are {known}")
    fields = NICKNAMES.get(text, text).split()
    if len(fields) != 5:
        raise InvalidCron(f"must have five fields, not {len(fields)}")
    if special := re.search("[l?#w](?![a-z])", " ".join(fields[2:3] + fields[4:])):
        raise InvalidCron(f"uses {special[0].upper()}, which is not part of cron", "name the days, such as 1 or mon")
    minute, hour, day, month, weekday = fields
    minutes, hours = MINUTE.values(minute), HOUR.values(hour)
    days, months = DAY.values(day), MONTH.values(month)
    weekdays = frozenset((value - 1) % 7 for value in WEEKDAY.values(weekday))
    either_day = not day.startswith("*") and not weekday.startswith("*")
    if not either_day and min(days) > max(LONGEST_MONTHS[number - 1] for number in months):
        raise InvalidCron("never happens: none of its months has that day", "name a day that the month has")
    return Cron(
        text,
        tuple(sorted(60 * hour + minute for hour in hours for minute in minutes)),
        days,
        months,
        weekdays,
        either_day,
        by_the_clock=minute.startswith("*") or hour.startswith("*"),
    )
