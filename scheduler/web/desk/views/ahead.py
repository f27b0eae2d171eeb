"""What lies ahead and what came of what was: the calendar, and campaigns beside each other."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from scheduler.actions.plans.calendar import Calendar, CalendarDay, read_calendar
from scheduler.actions.reading.names import newest_names
from scheduler.actions.reading.recipients import NOT_CONTROL
from scheduler.actions.reading.runs import read_comparison
from scheduler.actions.refusals import Refusal
from scheduler.report.variants import compared
from scheduler.web.api.problems import CallProblem
from scheduler.web.desk.pages import DeskPage, DeskPlace, Visit

WEEK: Final = 7

FIRST_DAY: Final = date(2000, 1, 1)
LAST_DAY: Final = date(2099, 12, 31)
"""Days that can be asked for: those before and after them exist, too, in any zone."""

MOST_COMPARED: Final = 8


def calendar(asked: Visit) -> DeskPage:
    """All that will be sent, by hour: seven days, or one."""
    today = asked.now.astimezone(asked.zone).date()
    is_day = "day" in asked.query
    first = _date(asked, "day" if is_day else "from") or today
    runtime, days = asked.runtime, 1 if is_day else WEEK
    found = read_calendar(
        runtime.store,
        runtime.settings,
        runtime.definitions,
        runtime.ceilings.current(),
        first,
        days,
        asked.zone,
        now=asked.now,
    )
    step = timedelta(days=days)
    return DeskPage(
        "calendar.html",
        {
            "found": found,
            "is_day": is_day,
            "first": first,
            "before": max(first - step, FIRST_DAY),
            "after": min(first + step, LAST_DAY),
            "rows": _rows(found, asked),
            "shown": [load for load in found.loads if load.people],
            "windows": {campaign: _windows(found, campaign, asked) for campaign in found.windows},
        },
    )


def _date(asked: Visit, name: str) -> date | None:
    written = asked.query.get(name, "")
    if not written:
        return None
    try:
        found = date.fromisoformat(written)
    except ValueError:
        raise CallProblem(Refusal.INVALID, f"{name} in the address is not a date; write 2026-12-01") from None
    if not FIRST_DAY <= found <= LAST_DAY:
        raise CallProblem(
            Refusal.INVALID, f"the calendar has the days from {FIRST_DAY} to {LAST_DAY}; ask for one of them"
        )
    return found


def _rows(found: Calendar, asked: Visit) -> list[tuple[str, list[Any]]]:
    """Return by hour of the clock the hours of each day, from the first to the last in which anything is sent.

    When clocks go back, an hour comes twice in a day, and when they go forward, one is missing.
    """
    hours = [_by_clock(day, asked) for day in found.days]
    busy = sorted({clock for day in hours for clock, each in day.items() if any(hour.texts for hour in each)})
    if not busy:
        return []
    return [(f"{clock:02}:00", [day.get(clock, []) for day in hours]) for clock in range(busy[0], busy[-1] + 1)]


def _windows(found: Calendar, campaign: str, asked: Visit) -> list[str]:
    """Return when a campaign may send, in words: days with the same hours together."""
    said: dict[str, list[str]] = {}
    for day, spans in zip(found.days, found.windows[campaign], strict=True):
        hours = (
            f"{opens.astimezone(asked.zone):%H:%M} to {closes.astimezone(asked.zone):%H:%M}"
            for opens, closes in spans or ()
        )
        words = "at any time" if spans is None else ", ".join(hours) or "closed"
        said.setdefault(words, []).append(f"{day.date:%a}")
    if len(said) == 1:
        return list(said)
    return [f"{', '.join(days)}: {words}" for words, days in said.items()]


def _by_clock(day: CalendarDay, asked: Visit) -> Mapping[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for hour in day.hours:
        found.setdefault(hour.begins.astimezone(asked.zone).hour, []).append(hour)
    return found


def compare(asked: Visit) -> DeskPage:
    """The variants of a campaign, or campaigns, beside each other: rates with intervals."""
    names = list(dict.fromkeys(filter(None, parse_qs(urlsplit(asked.url).query).get("campaign", []))))
    if len(names) > MOST_COMPARED:
        raise CallProblem(Refusal.INVALID, f"at most {MOST_COMPARED} campaigns can be compared at once")
    groups = read_comparison(asked.runtime.store, names, now=asked.now) if names else ()
    return DeskPage(
        "compare.html",
        {
            "names": names,
            "offered": newest_names(asked.runtime.store),
            "found": compared(groups),
            "is_whole": len(names) > 1,
            "everybody": NOT_CONTROL,
        },
    )


PLACES: Final = (
    DeskPlace("/calendar", calendar),
    DeskPlace("/compare", compare),
)
