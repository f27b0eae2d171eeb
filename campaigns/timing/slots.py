"""How one reminder is named: by its appointment, the text and the date."""

from functools import lru_cache
from typing import Final, NamedTuple

REMEMBERED: Final = 50_000
"""How many names are cached: appointments begin at few different minutes."""

NO_DATE: Final = "no date"
"""The slot label of a row without a date."""

LEFT_OUT: Final = "left_out"
"""The slot label of a row that a condition leaves out, where another row of its appointment decides."""

SINGLE: Final = "message"
"""The slot label of a text that belongs to no appointment: a program asked for it."""


class Slot(NamedTuple):
    """Identifies one reminder: the appointment (`key`, then its `date`), and which of its texts (`label`).

    The `label` of a row that gets no text is the name of the reason.
    """

    key: str
    label: str
    date: str

    def __str__(self) -> str:
        return f"{self.key}|{self.label}|{self.date}"


@lru_cache(maxsize=REMEMBERED)
def slot_of(text: str) -> Slot:
    """Return the slot that was written as `text`."""
    return Slot(*text.rsplit("|", 2))
