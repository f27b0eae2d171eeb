"""What becomes of a campaign file that is taken up."""

from dataclasses import dataclass

from sqlmodel import Session

from campaigns.take_up import EditCode, Refuse, Taken, TakeUp
from worker.store.runs.repetitions import first_unfinished


class EditRefused(Exception):
    """The file is not taken up; `code` says why to programs, the message to people."""

    def __init__(self, refusal: Refuse) -> None:
        super().__init__(refusal.sentence)
        self.code: EditCode = refusal.code


def accepted(decision: TakeUp | Refuse) -> TakeUp:
    """The decision. Raises `EditRefused` where it is to refuse."""
    if isinstance(decision, Refuse):
        raise EditRefused(decision)
    return decision


def run_of(session: Session, campaign_id: int, otherwise: Refuse) -> int:
    """The run that the campaign's file stands for. Raises `EditRefused` where it has none."""
    run_id = first_unfinished(session, campaign_id)
    if run_id is None:
        raise EditRefused(otherwise)
    return run_id


@dataclass(frozen=True, slots=True)
class Intake:
    """A run and how it was found."""

    run_id: int
    taken: Taken
    added: int = 0  # rows that are new in its tables
    in_doubt: int = 0  # reminders that are void, and in a request whose outcome is not known yet
