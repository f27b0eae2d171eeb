"""When a campaign may send at all. Apart from what places people, which reads numbers and texts."""

from functools import lru_cache
from zoneinfo import ZoneInfo

from campaigns.calendar.hours import Hours
from campaigns.definition.schedule import Schedule
from campaigns.definition.windows import Window


def hours_of(schedule: Schedule, zones: str = "", *, within: Window | None = None) -> Hours | None:
    """Return when sending is allowed in `zones`, as in a `Departure`; None: always.

    `within`: the operator's hours, outside which no window opens.
    """
    return _hours(schedule, zones, within) if schedule.window or within else None


@lru_cache(maxsize=1_024)
def _hours(schedule: Schedule, zones: str, within: Window | None) -> Hours | None:
    clocks = [ZoneInfo(name) for name in (zones.split(",") if zones else [schedule.timezone])]
    widest = within.hours(*clocks) if within else None
    if schedule.window is None or schedule.window == within:
        return widest
    return Hours(schedule.window.spans_on, clocks, within=widest) if widest else schedule.window.hours(*clocks)
