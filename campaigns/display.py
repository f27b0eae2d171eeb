"""How moments and states are shown: to programs in UTC, to people in a zone's local time and in words."""

from datetime import UTC, datetime
from typing import overload
from zoneinfo import ZoneInfo


@overload
def utc(moment: datetime) -> str: ...
@overload
def utc(moment: None) -> None: ...
@overload
def utc(moment: datetime | None) -> str | None: ...
def utc(moment: datetime | None) -> str | None:
    """Return ISO 8601 in UTC: `2026-12-01T09:00:00Z`; None for None."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def shown_time(moment: datetime, zone: ZoneInfo, *, seconds: bool = False) -> str:
    """Return a moment in a zone's local time: `Tue 2026-12-01 09:00 (Europe/Rome)`."""
    return f"{moment.astimezone(zone):{'%a %Y-%m-%d %H:%M:%S' if seconds else '%a %Y-%m-%d %H:%M'}} ({zone.key})"


def state_words(state: str) -> str:
    """Return a state as people read it: `awaiting approval`."""
    return state.replace("_", " ")
