"""The outcome of each variant and of the control group."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlmodel import Session

from campaigns.lifecycle import NEVER_SENT, RecipientState
from worker.store.kept.counting import CONTROL, TEXT
from worker.store.people.run_answers import FIGURES, OPTED_OUT, REPLIED
from worker.store.reports.counts import kept_parts
from worker.store.runs.runs import RunView

_STATES: Final = frozenset(RecipientState)
_SENT: Final = (RecipientState.SENT, RecipientState.DELIVERED)


@dataclass(frozen=True, slots=True)
class GroupOutcome:
    """The people of one variant, or of the control group, and how many of them got how far.

    `people` are all who were assigned to it, including those who were not sent to in the end: only then are groups
    alike. `replied`: with words of their own, and not only a keyword such as STOP. `run_id`: the run whose rows all of
    them are; None: they are those of several.
    """

    variant: str
    is_control: bool
    people: int
    sent: int
    delivered: int
    replied: int
    opted_out: int
    run_id: int | None = field(default=None, compare=False)

    @property
    def part(self) -> str:
        """What is kept as theirs of the run."""
        return CONTROL if self.is_control else TEXT + self.variant


def is_split(run: RunView) -> bool:
    """Return whether the people of a run were divided when it was planned."""
    return bool(run.plan_summary.get("cuts"))


def group_outcomes(session: Session, run: RunView, again: Collection[int] = ()) -> tuple[GroupOutcome, ...]:
    """Return the variants by name and then the control group of a run; nothing if its people were not divided.

    `again` are the runs that resent to people who failed in it. From what is kept about them, however large they are.
    """
    if not is_split(run):
        return ()
    here, there = (kept_parts(session, ids, *RecipientState, *FIGURES.values()) for ids in ([run.id], again))
    parts = {part for (figure, part), _ in here.items() if figure in _STATES and part}
    groups = sorted((part == CONTROL, part.removeprefix(TEXT), part) for part in parts)
    return tuple(
        GroupOutcome(
            "" if is_control else name,
            is_control,
            sum(here[state, part] for state in RecipientState),
            sum(found[state, part] for found in (here, there) for state in _SENT),
            sum(found[RecipientState.DELIVERED, part] for found in (here, there)),
            here[FIGURES[REPLIED], part],
            here[FIGURES[OPTED_OUT], part],
            None if again else run.id,
        )
        for is_control, name, part in groups
    )


def whole_outcome(
    session: Session, run: RunView, by_state: Mapping[RecipientState, int], again: Collection[int] = ()
) -> GroupOutcome:
    """Return everybody whom a run was to send to as one group, named after its campaign.

    `again` as in `group_outcomes`; `by_state` is what became of each person over all of these runs.
    """
    # Where people were divided, whoever wrote is noted in the run itself, whichever text they got.
    answered = kept_parts(session, [run.id] if is_split(run) else [run.id, *again], *FIGURES.values())
    replied, opted_out = (
        sum(people for (each, part), people in answered.items() if each == figure and part != CONTROL)
        for figure in (FIGURES[REPLIED], FIGURES[OPTED_OUT])
    )
    sent, delivered = (by_state.get(state, 0) for state in _SENT)
    people = sum(count for state, count in by_state.items() if state not in NEVER_SENT)
    only = None if run.day or again else run.id  # the states of a campaign that reminds are those of all its days
    return GroupOutcome(run.campaign, False, people, sent + delivered, delivered, replied, opted_out, only)
