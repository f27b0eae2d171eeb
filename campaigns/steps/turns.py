"""Whether it is a person's turn for a step: by the rows of the text before it, resends included."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from campaigns.lifecycle import RecipientState

NOT_SENT_BEFORE: Final = "not_sent_before"
"""Why nobody gets a step who did not get the text before it, and can no longer get it."""

NOT: Final = "not_"
"""Before a condition of `only_if`: the reason of those of whom it is not true."""


LEFT_OUT: Final[Mapping[str, str]] = {
    "replied": "not sent: they had replied",
    "delivered": "not sent: the text before was delivered",
    "failed": "not sent: the text before had failed",
    "opted_out": "not sent: they had opted out",
    "not_replied": "not sent: they had not replied",
    "not_delivered": "not sent: the text before was not delivered, as far as is known",
    "not_failed": "not sent: the text before had not failed",
    "not_opted_out": "not sent: they had not opted out",
    NOT_SENT_BEFORE: "not sent: they did not get the text before",
}
"""The words for why a step is not for somebody."""


def reason_words(state: str, reason: str) -> str:
    """Return the reason of a row for people: that of somebody for whom a step is not is stored as a code."""
    return LEFT_OUT.get(reason, reason) if state == RecipientState.EXCLUDED else reason


class TextBefore(NamedTuple):
    """A row of the text before a step: of its run, or of one that sent it again. `accepted_at`: by the gateway."""

    state: RecipientState
    accepted_at: datetime | None
    zones: str = ""


class Turn(StrEnum):
    """What is to become of somebody who waits for a step."""

    WAITS = "waits"
    DUE = "due"
    ENDED = "ended"  # they did not get the text before, and can no longer get it


UNDER_WAY: Final = frozenset({RecipientState.PENDING, RecipientState.IN_DOUBT, RecipientState.HELD})
"""The text before may still go, or go again: only then does it begin to count."""


def turn_of(before: Sequence[TextBefore], *, is_over: bool) -> tuple[Turn, TextBefore | None]:
    """Return whose turn it is, and from which row its time counts, if it does. `is_over`: the run before has ended.

    A text that failed before the gateway had it may be sent again as long as its run is not over.
    """
    if any(row.state in UNDER_WAY for row in before):
        return Turn.WAITS, None
    accepted = [row for row in before if row.accepted_at is not None]
    if accepted:
        return Turn.DUE, max(accepted, key=_accepted_at)
    if not is_over and (not before or any(row.state is RecipientState.FAILED for row in before)):
        return Turn.WAITS, None
    return Turn.ENDED, None


def _accepted_at(row: TextBefore) -> datetime:
    if row.accepted_at is None:
        raise ValueError("only texts that were accepted are compared")
    return row.accepted_at
