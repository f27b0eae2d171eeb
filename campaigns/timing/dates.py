"""The date of a row, as spreadsheets and databases write it."""

import re
from datetime import date, datetime
from typing import Final

DATE: Final = re.compile(
    r"(?:(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)|(?P<day_first>\d\d?)\.(?P<month_second>\d\d?)\.(?P<year_last>\d{4}))"
    r"(?:(?:[Tt]|, ?| +)(?P<time>\d\d?:\d\d(?::\d\d)?)(?:\.\d+)?(?: ?(?P<offset>[Zz]|[+-]\d\d:?\d\d))?)?",
    re.ASCII,
)
SLASHED: Final = re.compile(r"\d{1,4}[/-]\d{1,2}[/-]\d{1,4}\b.*", re.ASCII)
EXAMPLE: Final = "write 2026-12-01 or 2026-12-01 09:30"


class UnreadableDate(Exception):
    """A text that is no date; `reason` says why and does not repeat it: a wrong column may hold anything."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def read_date(text: str) -> date | datetime:
    """The date, or the date and time, that `text` is: naive without an offset.

    ISO 8601 (`2026-12-01`, `2026-12-01 09:30`, `2026-12-01T09:30:00+01:00`) and `1.12.2026 09:30`, where the day comes
    first wherever it is in use. Raises UnreadableDate, also for 01/02/2026: half the world reads it as another day.
    """
    match = DATE.fullmatch(text.strip())
    if not match:
        if SLASHED.fullmatch(text.strip()):
            raise UnreadableDate(f"can be read as more than one day: {EXAMPLE}")
        raise UnreadableDate(f"is no date: {EXAMPLE}")
    part = match.groupdict(default="")
    year, month = part["year"] or part["year_last"], part["month"] or part["month_second"]
    written = f"{year}-{month:0>2}-{part['day'] or part['day_first']:0>2}"
    hour, colon, rest = part["time"].partition(":")
    try:
        if not colon:
            return date.fromisoformat(written)
        read = datetime.fromisoformat(f"{written}T{hour:0>2}:{rest}{part['offset'].upper()}")
    except ValueError:
        raise UnreadableDate(f"is a day or time that does not exist: {EXAMPLE}") from None
    return read
