"""Which phones are stuck: texts wait there much longer than elsewhere, and none of them leaves."""

from collections.abc import Mapping
from datetime import timedelta
from statistics import median
from typing import Final

TIMES_THE_OTHERS: Final = 5
"""A phone is slow, not stuck, as long as its texts wait for less than this many times the others' median."""


def suspects(waiting: Mapping[int, timedelta], *, limit: timedelta) -> set[int]:
    """Return the devices whose oldest text has waited too long.

    `waiting`: for each device with work, how long the oldest text newer than all its sent ones has waited, or zero if
    there is none. (A single text that never leaves says nothing about its phone.) Too long is more than `limit` and
    more than `TIMES_THE_OTHERS` times the median of the others: if all wait, the gateway is slow.
    """
    return {
        device
        for device, age in waiting.items()
        if age > max(limit, TIMES_THE_OTHERS * _median([other for name, other in waiting.items() if name != device]))
    }


def _median(ages: list[timedelta]) -> timedelta:
    return timedelta(seconds=median(age.total_seconds() for age in ages)) if ages else timedelta(0)
