"""Reads the date of a row as spreadsheets and databases write it."""

import re
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

LONGEST: Final = 64
"""The most characters of a date."""

YEARS: Final = range(1800, 2200)
"""Other years stand for no date at all (9999-12-31, 0001-01-01), and zones and offsets could leave the calendar."""

DATE: Final = re.compile(
    r"'?(?:(?P<year>\d{4})(?P<first_sign>[-/.])(?P<month>\d\d?)(?P=first_sign)(?P<day>\d\d?)"
    r"|(?P<one>\d\d?)(?P<sign>[-/.])(?P<two>\d\d?)(?P=sign)(?P<year_last>\d{4}))"
    r"(?:(?:T|, ?| {1,4})(?P<hour>\d\d?)[:.](?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d{1,9})?)?"
    r"(?: ?(?P<half>[AP])\.?M\.?)?(?: ?(?P<offset>Z|UTC|GMT|[+-]\d\d(?::?\d\d)?))?)?",
    re.ASCII | re.IGNORECASE,
)
SHORT_YEAR: Final = re.compile(r"\d\d?([-/.])\d\d?\1\d\d\b.*", re.ASCII)
SERIAL: Final = re.compile(r"\d{5}([.,]\d*)?", re.ASCII)
SPACES: Final = str.maketrans("\u00a0\u2009\u202f", "   ")
EXAMPLE: Final = "write 2026-12-01 or 2026-12-01 09:30"


class DayOrder(StrEnum):
    """What 01/02/2026 means."""

    DMY = "dmy"  # 1 February
    MDY = "mdy"  # 2 January


class UnreadableDate(Exception):
    """A text that is not a date. `reason` says why without repeating it: a wrong column may hold anything."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class AmbiguousDate(UnreadableDate):
    """A date that is ambiguous without the order of day and month."""


@lru_cache(maxsize=4_096)  # the rows of a table share few dates
def read_date(text: str, order: DayOrder | None = None) -> date | datetime:
    """Parse a date, or a date and time; without an offset it is naive.

    Accepts the year first (`2026-12-01 09:30`, `2026/12/01`, `2026-12-01T09:30:00+01`), or the day first with points in
    between (`1.12.2026 9.30`). For 01/02/2026 the `order` decides, because half the world reads it as another day.
    Without an order it is read only if just one day is possible (25/12/2026). Raises UnreadableDate.
    """
    match = DATE.fullmatch(text.strip().translate(SPACES)[: LONGEST + 1])
    if not match:
        raise UnreadableDate(_why_not(text.strip()))
    part = match.groupdict(default="")
    year = int(part["year"] or part["year_last"])
    month, day = (int(part["month"]), int(part["day"])) if part["year"] else _month_and_day(part, order)
    if year not in YEARS:
        raise UnreadableDate(f"is not in the years {YEARS[0]} to {YEARS[-1]}: {EXAMPLE}")
    try:
        if not part["hour"]:
            return date(year, month, day)
        clock, further = _clock(part)
        read = datetime.fromisoformat(f"{year}-{month:02}-{day:02}T{clock}{_offset(part['offset'])}")
        return read + timedelta(days=further)
    except ValueError:
        raise UnreadableDate(f"is a day or time that does not exist: {EXAMPLE}") from None


def _month_and_day(part: dict[str, str], order: DayOrder | None) -> tuple[int, int]:
    one, two = int(part["one"]), int(part["two"])
    if part["sign"] == ".":  # countries that use points write the day first
        return two, one
    if order is None:
        if one <= 12 and two <= 12 and one != two:
            raise AmbiguousDate(f"can be read as more than one day: {EXAMPLE}")
        return (one, two) if two > 12 else (two, one)
    month, day = (two, one) if order is DayOrder.DMY else (one, two)
    if month > 12 >= day:
        raise UnreadableDate(f"does not match schedule.remind.format, {order}: {EXAMPLE}")
    return month, day


def _clock(part: dict[str, str]) -> tuple[str, int]:
    """Return the 24-hour time of day, and the days to add: 24:00 is the midnight at which a day ends."""
    hour, minute, second = int(part["hour"]), int(part["minute"]), int(part["second"] or 0)
    if part["half"]:
        if not 1 <= hour <= 12:
            raise ValueError("no hour of half a day")
        hour = hour % 12 + 12 * (part["half"] in "Pp")
    further = int((hour, minute, second) == (24, 0, 0))
    return f"{0 if further else hour:02}:{minute:02}:{second:02}", further


def _offset(written: str) -> str:
    """Return the offset in ISO 8601: PostgreSQL omits minutes that are zero."""
    if written.upper() in {"Z", "UTC", "GMT"}:
        return "+00:00"
    return f"{written}:00" if len(written) == 3 else written


def _why_not(text: str) -> str:
    if SERIAL.fullmatch(text):
        return f"is a number, as spreadsheets count days: {EXAMPLE}, or format the column as a date"
    if SHORT_YEAR.fullmatch(text):
        return f"has a two-digit year: {EXAMPLE}"
    return f"is not a date that can be read: {EXAMPLE}"
