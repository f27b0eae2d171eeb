"""Limits: how they are written, what was in force when, and how many segments were granted under them."""

import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, Generic, TypeVar
from zoneinfo import ZoneInfo

T = TypeVar("T")

UNITS: Final = {"second": 1.0, "minute": 60.0, "hour": 3600.0}
LENGTHS: Final = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}

JITTER: Final = timedelta(seconds=5)
"""How much earlier the time of a request may be than that of one stored before it: several processes make them."""

Mark = tuple[int, datetime]
"""A request, and when it was made."""

LATE: Final = timedelta(seconds=2)
"""How long a change of a limit may take to reach every process."""


@dataclass(frozen=True, slots=True)
class Speed:
    """So many segments in any `seconds`."""

    count: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.count / self.seconds


def speed_of(written: object) -> Speed | None:
    """Return the rate `60/minute`; None for anything else, such as `none`."""
    match = re.fullmatch(r"([0-9]+) ?/ ?(second|minute|hour)", str(written))
    return Speed(int(match[1]), UNITS[match[2]]) if match else None


def seconds_of(written: str) -> float:
    """Return how long `7d` or `1d12h` is."""
    return sum(int(count) * LENGTHS[unit] for count, unit in re.findall(r"([0-9]+)([dhms])", written))


@dataclass(slots=True)
class Sliding:
    """The segments granted in the last `seconds`, fed in order of time."""

    seconds: float
    _granted: deque[tuple[datetime, int, bool, Mark]] = field(default_factory=deque)
    total: int = 0
    own: int = 0

    def add(self, at: datetime, segments: int, *, is_own: bool, mark: Mark) -> int:
        """Count a grant; return how many segments were granted in the half-open window that ends with it."""
        length = timedelta(seconds=self.seconds)
        while self._granted and at - self._granted[0][0] >= length:
            _, gone, was_own, _ = self._granted.popleft()
            self.total -= gone
            self.own -= was_own
        self._granted.append((at, segments, is_own, mark))
        self.total += segments
        self.own += is_own
        return self.total

    def marks(self) -> list[Mark]:
        """Return the marks of the grants in the window."""
        return [mark for *_, mark in self._granted]


def was_set_back(marks: Iterable[Mark]) -> bool:
    """Return whether a later request was made at an earlier time: its clock was set back in between."""
    times = [at for _, at in sorted(marks)]
    return any(earlier - later > JITTER for earlier, later in pairwise(times))


@dataclass(frozen=True, slots=True)
class InForce(Generic[T]):
    """What was in force since when, the oldest first. Before the first change nothing is known: `first`."""

    first: T
    changes: tuple[tuple[datetime, T], ...] = ()

    def between(self, start: datetime, end: datetime) -> list[T]:
        """Return everything that was in force at some time between the two, and a little around it."""
        found, current = list[T](), self.first
        for at, value in self.changes:
            if at > end + LATE:
                break
            if at >= start - LATE:
                found.append(current)
            current = value
        return [*found, current]


def loosest(limits: Iterable[int | None]) -> int | None:
    """Return the highest of some limits; None: one of them was no limit."""
    every = list(limits)
    return None if None in every else max(limit for limit in every if limit is not None)


Period = Callable[[datetime, str], str]
"""The name of the period of a moment, by the clocks of a zone."""


def day_in(at: datetime, zone: str) -> str:
    """Return the day, `2026-12-01`."""
    return at.astimezone(ZoneInfo(zone)).date().isoformat()


def month_in(at: datetime, zone: str) -> str:
    """Return the month, `2026-12`."""
    return day_in(at, zone)[:7]
