"""Detects a campaign whose text many of its people got a moment ago: perhaps the same file under another name."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import regex

WITHIN: Final = timedelta(days=1)
"""After this time, the same text to the same person is no longer a mistake."""

HELD_FROM: Final = 5
HELD_SHARE: Final = 10
"""If this many people, and at least one in ten, got the text before, a person has to approve. Fewer are only a warning.
Two campaigns with the same text may share a few people, but a renamed one shares nearly all."""


_UNSEEN: Final = regex.compile(r"(?!\s)[\p{Default_Ignorable_Code_Point}\p{Cc}'’‘]")
_BETWEEN: Final = regex.compile(r"(?<![0-9])(?!%)[\p{P}\u2800]|(?!%)[\p{P}\u2800](?![0-9])")
"""Punctuation, but in 12.50, and 20% is not 20."""

_FIELD: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)


def as_seen(text: str) -> str:
    """What people would say they got twice: without case, width, punctuation, and what nobody sees.

    Somebody who changes the name of a campaign may mend a comma with it.
    """
    plain = _UNSEEN.sub("", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(_BETWEEN.sub(" ", plain).split())


def literal_as_seen(message: str) -> str:
    """As `as_seen`, of a message without its fields: of those another fallback shows nearly everybody the same."""
    return as_seen(_FIELD.sub(" ", message))


@dataclass(frozen=True, slots=True)
class ToldBefore:
    """A person got, or will get, a text from another campaign. `at`: when the gateway accepted it; None: not yet."""

    campaign: str
    at: datetime | None


AlreadyTold = Callable[[Sequence[tuple[str, str]]], Sequence[ToldBefore]]
"""Returns a `ToldBefore` for each (number, text) that also belongs to another campaign of the last day."""


@dataclass(slots=True)
class Repeats:
    """How many people of a plan got the same text before, and from which campaign last."""

    people: int = 0
    last: ToldBefore | None = None

    def add(self, told: Sequence[ToldBefore]) -> None:
        self.people += len(told)
        for each in told:
            if self.last is None or (each.at is not None and (self.last.at is None or each.at > self.last.at)):
                self.last = each

    def to_look_at(self, pending: int) -> int:
        """Return the number of people if it is large enough to require approval, or 0."""
        return self.people if self.people >= HELD_FROM and self.people * HELD_SHARE >= pending else 0

    def warning(self, zone: ZoneInfo) -> list[str]:
        """Return one sentence for people, or none."""
        if self.last is None:
            return []
        at = self.last.at
        about = "is" if self.people == 1 else "are"
        when = f", last at {at.astimezone(zone):%H:%M:%S on %Y-%m-%d}" if at else f", or {about} about to get it"
        who = "1 of these people" if self.people == 1 else f"{self.people:,} of these people"
        return [f"{who} already got exactly this text from {self.last.campaign}{when}: was its name changed?"]
