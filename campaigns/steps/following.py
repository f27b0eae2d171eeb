"""Steps that ask what became of a text which is not followed for as long as they wait."""

from collections.abc import Iterator
from typing import Final

from campaigns.definition.models import Definition
from campaigns.definition.steps import StepCondition
from campaigns.values.durations import format_duration

_BY_RECEIPT: Final = (StepCondition.DELIVERED, StepCondition.FAILED)


def unfollowed_steps(definition: Definition) -> Iterator[tuple[int, str]]:
    """Yield the place of each step whose condition is judged after `follow.until`, and what that means."""
    until = definition.follow.until
    for place, step in enumerate(definition.steps):
        asked = [condition for condition in _BY_RECEIPT if condition in (*step.unless, *step.only_if)]
        if asked and step.after > until:
            became = f"asks whether the text before was {' or '.join(asked)}, {format_duration(step.after)} after it"
            ends = f"follow.until ends after {format_duration(until)}: what is known only later does not count"
            yield place, f"{became}, but {ends}"
