"""When a window is open, by what clocks on walls show."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import cache
from importlib import import_module
from typing import Any, Final
from zoneinfo import ZoneInfo

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY: Final = timedelta(days=1)


def is_open(window: Any, at: datetime, zone: str) -> bool:
    """Return whether a window, as a definition has it, is open at a moment (aware) by the clocks of a zone."""
    wall = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    openings = window if isinstance(window, list) else [window]
    return any(_opens(opening, wall) for opening in openings)


def _opens(opening: Mapping[str, Any], wall: datetime) -> bool:
    """Return whether an opening of today, or one of yesterday that lasts past midnight, is open."""
    today = wall.date()
    minute = 60 * wall.hour + wall.minute
    is_closed = _is_closed(opening, today)
    for opens, closes in _spans(opening):
        if opens < closes:
            if _has_day(opening, today) and not is_closed and opens <= minute < closes:
                return True
            continue
        if _has_day(opening, today) and not is_closed and minute >= opens:
            return True
        yesterday = today - DAY
        begun = _has_day(opening, yesterday) and not _is_closed(opening, yesterday)
        if begun and not is_closed and minute < closes:
            return True
    return False


def _spans(opening: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    ranges = opening.get("ranges") or []
    pairs = [written.replace("\u2013", "-").split("-") for written in ([ranges] if isinstance(ranges, str) else ranges)]
    for opens, closes in pairs or [(opening.get("from") or "00:00", opening.get("to") or "00:00")]:
        yield _minutes(opens), _minutes(closes) % (24 * 60)


def _minutes(written: str) -> int:
    hour, minute = written.strip().split(":")[:2]
    return 60 * int(hour) + int(minute)


def _has_day(opening: Mapping[str, Any], day: date) -> bool:
    return day.weekday() in _days(str(opening.get("days") or "daily"))


@cache
def _days(written: str) -> frozenset[int]:
    if written == "daily":
        return frozenset(range(7))
    days: set[int] = set()
    for part in written.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        place = DAYS.index(first)
        days.add(place)
        while last and DAYS[place] != last:
            place = (place + 1) % 7
            days.add(place)
    return frozenset(days)


def _is_closed(opening: Mapping[str, Any], day: date) -> bool:
    closed = opening.get("except") or []
    return any(_covers(name, day) for name in ([closed] if isinstance(closed, str) else closed))


def _covers(name: str, day: date) -> bool:
    return name == day.isoformat() if name[0].isdigit() else day in _holidays(name, day.year)


@cache
def _holidays(name: str, year: int) -> frozenset[date]:
    country, _, part = name.partition("-")
    return frozenset(import_module("holidays").country_holidays(country, subdiv=part or None, years=year))
