"""Whether a campaign says again what many of its people were told a moment ago: a file under another name, perhaps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

WITHIN: Final = timedelta(days=1)
"""The same text to the same person after so long is no slip any more."""

HELD_FROM: Final = 5
HELD_SHARE: Final = 10
"""From so many people on who are at least one in ten, somebody has to let it go; fewer are only warned of. Of two
campaigns with one text some share a few people, and one whose name was changed shares nearly all."""


@dataclass(frozen=True, slots=True)
class ToldBefore:
    """Somebody got, or is about to get, a text of another campaign. `at`: when the gateway took it; None: not yet."""

    campaign: str
    at: datetime | None


AlreadyTold = Callable[[Sequence[tuple[str, str]]], Sequence[ToldBefore]]
"""Which of these (number, text) belong to another campaign as well, of the last day: one `ToldBefore` for each."""


@dataclass(slots=True)
class Repeats:
    """How many people of a plan were told the same, and by which campaign last."""

    people: int = 0
    last: ToldBefore | None = None

    def add(self, told: Sequence[ToldBefore]) -> None:
        self.people += len(told)
        for each in told:
            if self.last is None or (each.at is not None and (self.last.at is None or each.at > self.last.at)):
                self.last = each

    def to_look_at(self, pending: int) -> int:
        """How many, where they are so many that somebody has to let the campaign go; else 0."""
        return self.people if self.people >= HELD_FROM and self.people * HELD_SHARE >= pending else 0

    def warning(self, zone: ZoneInfo) -> list[str]:
        """One sentence for people, or none."""
        if self.last is None:
            return []
        at = self.last.at
        when = f", last at {at.astimezone(zone):%H:%M:%S on %Y-%m-%d}" if at else ", or is about to get it"
        who = "1 of these people" if self.people == 1 else f"{self.people:,} of these people"
        return [f"{who} got this very text from {self.last.campaign}{when}: was its name changed?"]
