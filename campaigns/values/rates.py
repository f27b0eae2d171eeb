"""How many SMS segments may leave in a unit of time: `30/minute`."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final

from campaigns.values.scalars import Scalar, refuse, shown

UNITS: Final = {"second": timedelta(seconds=1), "minute": timedelta(minutes=1), "hour": timedelta(hours=1)}
HINT: Final = "write it as 2/second, 30/minute or 500/hour, or none for no limit"


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` segments in every period of the length `per`."""

    count: int
    per: timedelta

    @property
    def per_second(self) -> float:
        return self.count / self.per.total_seconds()

    def __str__(self) -> str:
        units = {length: unit for unit, length in UNITS.items()}
        # Only a slowed-down phone has a rate over a period that no file can name.
        return f"{self.count}/{units.get(self.per) or f'{self.per.total_seconds():.0f} seconds'}"


def parse_rate(text: str) -> Rate:
    """Parse a rate of 1 to 100,000 segments per unit. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,12}) ?/ ?(second|minute|hour)", text.casefold(), re.ASCII)
    if not match:
        refuse(f"must be a number of segments per time, not {shown(text)}", HINT)
    count = int(match[1])
    if not 1 <= count <= 100_000:
        refuse(f"must allow from 1 to 100000 segments, not {match[1]}", "choose another unit of time")
    return Rate(count, UNITS[match[2]])


def _read(text: str) -> Rate | None:
    return None if text.casefold() == "none" else parse_rate(text)


RateLimit = Annotated[
    Rate | None,
    Scalar(
        Rate,
        _read,
        lambda rate: str(rate) if rate else None,
        {"type": "string", "pattern": "^([0-9]+ ?/ ?([sS]econd|[mM]inute|[hH]our)|none)$"},
    ),
]
"""A rate, or None for `none`: the campaign has no limit of its own."""
