"""From the clock on the wall to UTC, through the hours that a zone skips or repeats."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from campaigns.definition.scalars import Scalar, nearest, refuse, shown


def to_utc(wall: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which clocks in `zone` show `wall` (naive), in UTC.

    A time that the zone repeats means the first of the two; one that it skips means the first moment after the gap.
    """
    earlier = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if earlier.astimezone(zone).replace(tzinfo=None) == wall:
        return earlier
    # In a gap fold=1 reads the wall with the offset after the jump, which gives a moment before it (PEP 495).
    return _jump(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), earlier, zone)


def both_utc(wall: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Every moment at which clocks in `zone` show `wall`: one, two where it is repeated; in a gap as `to_utc`."""
    first = to_utc(wall, zone)
    yield first
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if second > first:
        yield second


def jumps(day: date, zone: ZoneInfo) -> Iterator[datetime]:
    """The moment of the UTC day `day` at which clocks in `zone` are put forward or back, if there is one."""
    start = datetime.combine(day, time(), tzinfo=UTC)
    end = start + timedelta(days=1)
    if start.astimezone(zone).utcoffset() != end.astimezone(zone).utcoffset():
        yield _jump(start, end, zone)


def _jump(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first whole second in (before, after] from which on the offset is that of `after`."""
    offset = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


@cache
def _known_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _read_zone(text: str) -> str:
    known = _known_zones()
    if text in known:
        return text
    cities: dict[str, str] = {zone.rsplit("/", 1)[-1]: zone for zone in sorted(known)}
    city = text.strip().replace(" ", "_")
    near = nearest(city, sorted(known))
    if not near:
        found = nearest(city, sorted(cities))
        near = cities[found] if found else ""
    hint = f"did you mean {near}?" if near else "write a name of the IANA list, such as Europe/Rome"
    return refuse(f"is not a time zone: {shown(text)}", hint)


ZoneName = Annotated[str, Scalar(str, _read_zone, str, {"type": "string", "minLength": 1})]
"""The name of a zone in the IANA list."""
