"""What becomes of a campaign file that is taken up."""

from dataclasses import dataclass
from enum import StrEnum


class Taken(StrEnum):
    """What became of a campaign file."""

    PLANNED = "planned"  # a new run, or a new plan of a run of which nothing was sent
    CONTINUED = "continued"  # its run is under way; it goes on as it was planned
    TUNED = "tuned"  # the same, with the limits of the edited file
    EXTENDED = "extended"  # its run is under way or over; who is new in its tables was added
    OVER = "over"  # its run is completed or cancelled: nothing is sent


class EditRefused(Exception):
    """The file was changed after sending began."""


@dataclass(frozen=True, slots=True)
class Intake:
    """A run and how it was found."""

    run_id: int
    taken: Taken
    added: int = 0  # rows that are new in its tables
    in_doubt: int = 0  # reminders that are void, and in a request whose outcome is not known yet
