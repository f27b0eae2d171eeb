"""From local time to UTC, through the hours that a zone skips or repeats."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from campaigns.values.scalars import Scalar, nearest, refuse, shown


def to_utc(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment at which clocks in `zone` show `wall` (naive), in UTC.

    A repeated time means the first of the two; a skipped one means the first moment after the gap.
    """
    earlier = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if earlier.astimezone(zone).replace(tzinfo=None) == wall:
        return earlier
    # In a gap, fold=1 uses the offset after the jump, which gives a moment before it (PEP 495).
    return _jump(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), earlier, zone)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time from `begins` up to `ends` (UTC) in which the clocks of a zone stay `offset` ahead of UTC."""

    begins: datetime
    ends: datetime
    offset: timedelta

    def wall(self, moment: datetime) -> datetime:
        """Return what the clocks show at `moment` (UTC), naive."""
        return moment.replace(tzinfo=None) + self.offset

    def moment(self, wall: datetime) -> datetime:
        """Return when the clocks show `wall` (naive), in UTC."""
        return (wall - self.offset).replace(tzinfo=UTC)


def stretches(begins: datetime, ends: datetime, zone: ZoneInfo) -> Iterator[Stretch]:
    """Yield the time from `begins` up to `ends` (UTC), cut where clocks in `zone` go forward or back.

    No zone does that twice within a day, so checking once a day misses nothing.
    """
    here = at = begins
    offset = _offset(begins, zone)
    while at < ends:
        ahead = min(at + timedelta(days=1), ends)
        if (changed := _offset(ahead, zone)) != offset:
            jump = _jump(at, ahead, zone)
            yield Stretch(here, jump, offset)
            here, offset = jump, changed
        at = ahead
    if here < ends:
        yield Stretch(here, ends, offset)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _jump(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first whole second in (before, after] with the offset of `after`."""
    offset = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


ABBREVIATION: Final = re.compile(r"[A-Z]{2,5}|([A-Z]{2,5})? ?[+-] ?\d.*", re.ASCII)
"""Texts such as CEST, UTC+2 or +02:00."""


@cache
def known_zones() -> frozenset[str]:
    """Return the zone names of the IANA list."""
    return frozenset(available_timezones())


def is_zone(name: str) -> bool:
    """Return whether it is one of `known_zones`, without listing those: that opens 600 files, for 15 ms."""
    if name.startswith(("posix/", "right/")) or name == "posixrules":  # files beside the zones, which are none
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # no such file, no name of a file, a folder such as Europe
        return False
    return True


def _read_zone(text: str) -> str:
    if is_zone(text):
        return text
    known = known_zones()
    if ABBREVIATION.fullmatch(text):  # a similar name may be hours away: CEST is not EST
        hint = "write a place, such as Europe/Rome: only a place says when clocks change"
        refuse(f"is not a time zone: {shown(text)}", hint)
    cities: dict[str, str] = {zone.rsplit("/", 1)[-1]: zone for zone in sorted(known)}
    city = text.strip().replace(" ", "_")
    near = nearest(city, sorted(known))
    if not near:
        found = nearest(city, sorted(cities))
        near = cities[found] if found else ""
    hint = f"did you mean {near}?" if near else "write a name from the IANA list, such as Europe/Rome"
    return refuse(f"is not a time zone: {shown(text)}", hint)


ZoneName = Annotated[str, Scalar(str, _read_zone, str, {"type": "string", "minLength": 1})]
"""The name of a zone in the IANA list."""
