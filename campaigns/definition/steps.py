"""Later texts to the same people, each planned from what became of the one before."""

import re
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from campaigns.definition.part import Part
from campaigns.definition.sources import as_list, at_most
from campaigns.values.durations import Duration
from campaigns.values.scalars import NeededText, Scalar, choice, refuse, shown

MAX_STEPS: Final = 10
"""Each person has a row for each of them."""

LONGEST_NAME: Final = 16
"""Its run is named after the run that it belongs to, in 40 characters."""


_PATTERN: Final = f"[a-z0-9][a-z0-9-]{{0,{LONGEST_NAME - 1}}}"


class StepCondition(StrEnum):
    """What may have become of a person by the time of a step."""

    REPLIED = "replied"  # they wrote something, and not only a keyword such as STOP
    DELIVERED = "delivered"  # their phone has the text of the step before
    FAILED = "failed"  # the text of the step before failed
    OPTED_OUT = "opted_out"  # their number is on the list of opt-outs, of any kind


def _read_step_name(text: str) -> str:
    if re.fullmatch(_PATTERN, text):
        return text
    problem = f"must be 1 to {LONGEST_NAME} of a-z, 0-9 and -, starting with a letter or digit, not {shown(text)}"
    return refuse(problem, "for example nudge")


StepName = Annotated[
    str,
    Scalar(
        str,
        _read_step_name,
        str,
        {"type": ["string", "integer"], "pattern": f"^{_PATTERN}$"},
    ),
]

_WORD: Final = choice(StepCondition)


def _read_condition(text: str) -> StepCondition:
    words = re.split(r"[\s,;]+", text.casefold())
    if words[1:] and set(words) <= set(StepCondition):
        return refuse(f"has several conditions in one text: {shown(text)}", f"write [{', '.join(words)}]")
    if text.casefold() in {"true", "yes", "on"}:
        return refuse(f"must be one of {', '.join(StepCondition)}, not {shown(text)}", "write which, such as replied")
    found: StepCondition = _WORD.read(text)
    return found


_Condition = Annotated[StepCondition, replace(_WORD, read=_read_condition)]


def _each_once(conditions: tuple[StepCondition, ...]) -> tuple[StepCondition, ...]:
    return tuple(dict.fromkeys(conditions))


Conditions = Annotated[
    tuple[_Condition, ...],
    BeforeValidator(as_list, json_schema_input_type=tuple[_Condition, ...] | _Condition),
    AfterValidator(_each_once),
]


class Step(Part):
    """One later text."""

    name: StepName = Field(description="Its name, in reports and commands.", examples=["nudge"])
    after: Duration = Field(
        description="How long after the gateway accepted the text before it: the campaign's own, or that of the step "
        "before.",
        examples=["3d"],
    )
    message: NeededText = Field(
        description="Its text, as `message`.", examples=["Hi {{ first_name }}, did you see this?"]
    )
    unless: Conditions = Field(
        (),
        description="Nobody of whom any of these is true gets it: replied, delivered, failed, opted_out.",
        examples=["replied"],
    )
    only_if: Conditions = Field(
        (),
        description="Only those of whom all of these are true get it: replied, delivered, failed, opted_out.",
        examples=["failed"],
    )

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        both = next((condition for condition in self.unless if condition in self.only_if), None)
        if both is not None:
            refuse(f"names {both} in `unless` and in `only_if`: nobody would get it", "remove one of the two")
        if {StepCondition.DELIVERED, StepCondition.FAILED} <= set(self.only_if):
            refuse("is for texts that were delivered and failed: no text did both", "remove one of the two")
        return self


def _named_apart(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    names: set[str] = set()
    for place, step in enumerate(steps):
        if step.name in names:
            refuse(f"is {step.name}, as that of an earlier step", "give each a name of its own", below=(place, "name"))
        names.add(step.name)
    return steps


Steps = Annotated[tuple[Step, ...], BeforeValidator(at_most(MAX_STEPS)), AfterValidator(_named_apart)]
