"""How much was sent in the fullest window: the same question to the throttle's stamps and to the gateway's."""

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

LENGTHS: Final = tuple(timedelta(seconds=seconds) for seconds in (1, 10, 60))
"""The windows that are looked at."""


class Stamp(NamedTuple):
    """So many segments at a moment, of a campaign, by a device (empty: the primary one)."""

    at: datetime
    segments: int
    campaign: str
    device: str


def fullest(stamps: Iterable[Stamp], length: timedelta) -> int:
    """The most segments in any half-open window of this length, wherever it begins."""
    window: deque[Stamp] = deque()
    total = most = 0
    for stamp in sorted(stamps):
        window.append(stamp)
        total += stamp.segments
        while window[0].at <= stamp.at - length:
            total -= window.popleft().segments
        most = max(most, total)
    return most


def between(stamps: Iterable[Stamp], begins: datetime, ends: datetime) -> int:
    """The segments from `begins` on and before `ends`."""
    return sum(stamp.segments for stamp in stamps if begins <= stamp.at < ends)
