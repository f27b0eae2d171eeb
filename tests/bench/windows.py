"""How much was sent in the fullest window, computed the same way from the throttle's stamps and the gateway's."""

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

LENGTHS: Final = tuple(timedelta(seconds=seconds) for seconds in (1, 10, 60))
"""The lengths of the windows."""


class Stamp(NamedTuple):
    """Segments sent at a moment, of a campaign, by a device (empty: the primary one)."""

    at: datetime
    segments: int
    campaign: str
    device: str


def fullest(stamps: Iterable[Stamp], length: timedelta) -> int:
    """The most segments in any half-open window of this length, wherever it starts."""
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
    """The segments from `begins` on, before `ends`."""
    return sum(stamp.segments for stamp in stamps if begins <= stamp.at < ends)
