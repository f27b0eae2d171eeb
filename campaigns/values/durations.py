"""Lengths of time as people write them: `72h`, `30m`, `7d`, `90s`, `1d12h`."""

import re
from datetime import timedelta
from typing import Annotated, Final

from campaigns.values.scalars import Scalar, refuse, shown

PATTERN: Final = r"(?:(\d{1,5})d)? ?(?:(\d{1,5})h)? ?(?:(\d{1,6})m)? ?(?:(\d{1,7})s)?"
LONGEST: Final = timedelta(days=366)
HINT: Final = "write it in days, hours, minutes and seconds, such as 72h, 30m or 1d12h"


def parse_duration(text: str) -> timedelta:
    """Parse a length of time from one second to 366 days. Raises ValueError."""
    match = re.fullmatch(PATTERN, text.casefold(), re.ASCII)
    if not match or not any(match.groups()):
        refuse(f"must be a length of time, not {shown(text)}", HINT)
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not timedelta() < duration <= LONGEST:
        refuse(f"must be longer than 0 s and at most 366 days, not {shown(text)}")
    return duration


def format_duration(duration: timedelta) -> str:
    """Return `duration` as `parse_duration` reads it, in the largest units that fit: 36 hours are `1d12h`."""
    minutes, seconds = divmod(duration.days * 86_400 + duration.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count)


Duration = Annotated[
    timedelta,
    Scalar(
        timedelta,
        parse_duration,
        format_duration,
        {"type": "string", "pattern": r"^([0-9]+[dD])? ?([0-9]+[hH])? ?([0-9]+[mM])? ?([0-9]+[sS])?$", "minLength": 2},
    ),
]
