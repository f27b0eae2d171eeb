"""What became of one row of an audience. Apart from what decides that: the store only keeps it."""

from dataclasses import dataclass
from typing import NamedTuple

from campaigns.lifecycle import RecipientState
from campaigns.timing.departures import Departure


class StepText(NamedTuple):
    """The text of one step for one person, and what it costs, as in `Segmentation`."""

    text: str
    segments: int
    encoding: str
    forced_by: str = ""


@dataclass(frozen=True, slots=True)
class SampleText:
    """A text as it would be sent, with the number masked."""

    number: str
    text: str


class PlannedRecipient(NamedTuple):
    """One row of the audience. (number, occurrence) is unique in a plan.

    `occurrence` is 0 for the row that counts for its number. For a row that counts for nothing (a duplicate, invalid,
    or left out by a condition), whose `number` may be raw text, it is the row's place in the whole audience (from 1).
    `text` and `segments` are empty unless the row is pending, or held because its moment was missed. Only such rows
    have a `variant`, if the campaign has any, and a `departure`, if people were placed in time. `slot` names one of
    several reminders. `steps` are the texts of later steps, in their order, of a row that has a text.
    """

    number: str
    occurrence: int
    source: str
    line: int
    state: RecipientState
    reason: str = ""
    text: str = ""
    segments: int = 0
    departure: Departure | None = None
    variant: str = ""
    slot: str = ""
    is_landline: bool = False
    steps: tuple[StepText, ...] = ()
