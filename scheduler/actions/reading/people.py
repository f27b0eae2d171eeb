"""One person's full story, over all campaigns."""

from dataclasses import dataclass
from datetime import datetime

from campaigns.lifecycle import RecipientState
from campaigns.phone_numbers.numbers import InvalidNumber, Normaliser
from scheduler.report.people import NO_STORY, Story, tell
from worker.store.engine import Store


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """Somebody by their number as rows have it, and what is known of them.

    `problem`: what is wrong with it as a number, for anyone who is not found by it; else ''.
    """

    number: str
    story: Story
    problem: str

    @property
    def is_in_doubt(self) -> bool:
        """Whether a text to them may be on its way."""
        return any(chapter.row.state is RecipientState.IN_DOUBT for chapter in self.story.chapters)


def read_person(store: Store | None, number: str, region: str | None, *, now: datetime) -> KnownPerson:
    """The story of a number, of this region without +country, or as a row has it: an invalid row's cannot be read.

    `store` None: nothing is known of anybody.
    """
    problem = ""
    try:
        forms = list(dict.fromkeys([Normaliser(region).normalise(number), number]))
    except InvalidNumber as error:
        forms = [number]
        problem = f"as a number it cannot be read ({error.reason}): write it as +39 333 123 4567"
    return KnownPerson(forms[0], NO_STORY if store is None else tell(store, forms, now=now), problem)
