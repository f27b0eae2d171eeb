"""The reminders of a plan, offset by offset."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from campaigns.counting import amount
from campaigns.judging import PlannedRecipient
from campaigns.lifecycle import RecipientState
from campaigns.timing.appointments import slot_of
from scheduler.cli.rendering.output import local_time
from scheduler.report.moments import utc

TIMED: Final = frozenset({RecipientState.PENDING, RecipientState.HELD, RecipientState.SKIPPED})
"""Rows that have a moment, or had one."""


@dataclass(slots=True)
class Offset:
    """The texts of a campaign that reminds which leave at one distance from a date, such as `1d before`."""

    label: str
    people: int = 0
    missed: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def add(self, row: PlannedRecipient) -> None:
        if row.departure is None:
            self.missed += 1
            return
        self.people += 1
        self.first = min(self.first or row.departure.at, row.departure.at)
        self.last = max(self.last or row.departure.at, row.departure.at)


class Offsets:
    """Adds up the reminders of a plan; rows of other plans are no reminders."""

    def __init__(self) -> None:
        self._found: dict[str, Offset] = {}

    @property
    def found(self) -> tuple[Offset, ...]:
        """In the order of the file."""
        return tuple(self._found.values())

    def add(self, row: PlannedRecipient) -> None:
        if not row.slot or row.state not in TIMED:
            return
        slot = slot_of(row.slot)
        if slot.date:
            self._found.setdefault(slot.label, Offset(slot.label)).add(row)


def offset_json(offset: Offset) -> dict[str, Any]:
    """For programs; times are ISO 8601 in UTC."""
    return {
        "offset": offset.label,
        "recipients": offset.people,
        "missed": offset.missed,
        "first_send_at": utc(offset.first),
        "last_send_at": utc(offset.last),
    }


def offset_words(offset: Offset, zone: ZoneInfo) -> str:
    """For people: how many texts, from when to when, and how many were missed."""
    when = f", from {local_time(offset.first, zone)} to {local_time(offset.last, zone)}" if offset.people else ""
    missed = f"; {offset.missed:,} missed" if offset.missed else ""
    return f"{offset.label}: {amount(offset.people, 'text')}{when}{missed}"
