"""The reminders of a plan, offset by offset."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from campaigns.lifecycle import RecipientState
from campaigns.planning.planned import PlannedRecipient
from campaigns.timing.slots import slot_of

TIMED: Final = frozenset({RecipientState.PENDING, RecipientState.HELD, RecipientState.SKIPPED})
"""States of rows that have a moment, or had one."""


@dataclass(slots=True)
class ReminderOffset:
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
    """Adds up the reminders of a plan; rows of other plans are not reminders."""

    def __init__(self) -> None:
        self._found: dict[str, ReminderOffset] = {}

    @property
    def found(self) -> tuple[ReminderOffset, ...]:
        """Return the offsets in the order of the file."""
        return tuple(self._found.values())

    def add(self, row: PlannedRecipient) -> None:
        if not row.slot or row.state not in TIMED:
            return
        slot = slot_of(row.slot)
        if slot.date:
            self._found.setdefault(slot.label, ReminderOffset(slot.label)).add(row)
