"""How moments and states are shown: to programs in UTC, to people in a zone's local time and in words."""

from datetime import UTC, datetime
from typing import Final, overload
from zoneinfo import ZoneInfo

from campaigns.counting import amount

TOO_FAR: Final = "more than a year later"
"""The last text of a forecast that does not end within a year."""


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


def span_words(first: datetime, last: datetime | None, zone: ZoneInfo) -> str:
    """Return a span in a zone's local time: `from Tue 2026-12-01 09:00 to Tue 2026-12-01 10:00 (Europe/Rome)`.

    If both moments are the same minute, that one alone. `last` None: more than a year later.
    """
    begins, ends = shown_time(first, zone), shown_time(last, zone) if last else TOO_FAR
    return begins if begins == ends else f"from {begins.removesuffix(f' ({zone.key})') if last else begins} to {ends}"


def state_words(state: str) -> str:
    """Return a state as people read it: `awaiting approval`."""
    return state.replace("_", " ")


def phone_words(device: int, slot: int | None = None) -> str:
    """Return a phone as people read it, with the slot of its SIM (from 0) if it is known: `phone 2 (SIM slot 0)`."""
    return f"phone {device}" + ("" if slot is None else f" (SIM slot {slot})")


def target_words(target: str) -> str:
    """Return the phones of a request as people read them: `2|0` is `phone 2 (SIM slot 0)`."""
    return ", ".join(phone_words(*map(int, each.split("|"))) for each in target.split(","))


def saving_words(texts: int, segments_saved: int) -> str:
    """Return what `encoding` saves, as people read it."""
    if not texts:
        return "no text takes fewer segments in GSM characters, so all are sent as written"
    takes = "takes" if texts == 1 else "take"
    return f"{amount(texts, 'text')} {takes} {amount(segments_saved, 'fewer segment')} in GSM characters"
