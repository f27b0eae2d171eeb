"""One person's full story, over all campaigns."""

from dataclasses import dataclass
from datetime import datetime

from campaigns.lifecycle import RecipientState
from campaigns.phone_numbers.numbers import InvalidNumber, Normaliser
from scheduler.actions.numbers import reason_here
from scheduler.report.people import NO_STORY, Story, tell
from worker.store.engine import Store


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person, by their number as rows have it, and what is known about them.

    `problem`: what is wrong with the number, if nobody is found by it; else ''.
    """

    number: str
    story: Story
    problem: str

    @property
    def is_in_doubt(self) -> bool:
        """Whether a text to them may be on its way."""
        return any(chapter.row.state is RecipientState.IN_DOUBT for chapter in self.story.chapters)


def read_person(store: Store | None, number: str, region: str | None, *, now: datetime) -> KnownPerson:
    """Return the story of a number, in this region if it has no +country, or as an invalid row has it.

    `store` None: nothing is known about anybody.
    """
    problem = ""
    try:
        forms = list(dict.fromkeys([Normaliser(region).normalise(number), number]))
    except InvalidNumber as error:
        forms = [number]
        problem = f"it cannot be read as a number ({reason_here(error)}): write it as +39 333 123 4567"
    return KnownPerson(forms[0], NO_STORY if store is None else tell(store, forms, now=now), problem)
