"""Moments and states as they are shown: to programs in UTC, to people by the clocks of a zone and in words."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def utc(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC: `2026-12-01T09:00:00Z`; None for None."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def shown_time(moment: datetime, zone: ZoneInfo, *, seconds: bool = False) -> str:
    """A moment by the clocks of a zone: `Tue 2026-12-01 09:00 (Europe/Rome)`."""
    return f"{moment.astimezone(zone):{'%a %Y-%m-%d %H:%M:%S' if seconds else '%a %Y-%m-%d %H:%M'}} ({zone.key})"


def state_words(state: str) -> str:
    """A state as people read it: `awaiting approval`."""
    return state.replace("_", " ")
