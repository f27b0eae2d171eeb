"""The outcome of each variant and of the control group."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import NEVER_SENT, RecipientState
from campaigns.optout import Meaning
from worker.store.runs.runs import RunView
from worker.store.tables import recipients, replies, suppressions

IMPORTED: Final = "import"
"""The start of a suppression's source if it came from a table: it says nothing about the text."""

Group: TypeAlias = tuple[str, bool]
"""The name of a variant, and whether it is the control group, which has no name."""


@dataclass(frozen=True, slots=True)
class GroupOutcome:
    """The people of one variant, or of the control group, and how many of them got how far.

    `people` are all who were assigned to it, including those who were not sent to in the end: only then are groups
    alike.
    """

    variant: str
    is_control: bool
    people: int
    sent: int
    delivered: int
    replied: int
    opted_out: int


def is_split(run: RunView) -> bool:
    """Return whether the people of a run were divided when it was planned."""
    return bool(run.plan_summary.get("cuts"))


def group_outcomes(
    session: Session, run: RunView, again: Iterable[int] = (), *, now: datetime
) -> tuple[GroupOutcome, ...]:
    """Return the variants by name and then the control group of a run; nothing if its people were not divided.

    `again` are the runs that resent to people who failed in it. Replies and opt-outs are counted from the run's start
    until `follow.until` after its last request, including in the control group, to which nobody can answer.
    """
    if not is_split(run):
        return ()
    state = recipients.c.state
    is_control = state == RecipientState.HOLDOUT
    is_first = recipients.c.run_id == run.id
    is_sent = state.in_([RecipientState.SENT, RecipientState.DELIVERED])
    counted = [is_first, is_sent, state == RecipientState.DELIVERED]
    if run.started_at is not None:
        counted += [sa.and_(is_first, recipients.c.number.in_(each)) for each in _answered(run, run.started_at, now)]
    query = (
        sa.select(recipients.c.variant, is_control, *(sa.func.count(sa.case((each, 1))) for each in counted))
        # A person who was assigned has a text or is in the control group.
        .where(recipients.c.run_id.in_([run.id, *again]), sa.or_(is_control, recipients.c.text != ""))
        .group_by(recipients.c.variant, is_control)
    )
    # All in one pass: five took twice as long.
    found = ((variant, bool(control), counts) for variant, control, *counts in session.execute(query))
    groups = sorted((control, variant, counts) for variant, control, counts in found if counts[0])
    return tuple(GroupOutcome(variant, control, *(*counts, 0, 0)[:5]) for control, variant, counts in groups)


def _answered(run: RunView, started_at: datetime, now: datetime) -> tuple[sa.Select[Any], sa.Select[Any]]:
    """Return the numbers that wrote, and those that opted out, from the run's start until it is no longer followed."""
    until = (run.sent_at or now) + timedelta(seconds=run.follow_seconds)
    at, since = replies.c.received_at, suppressions.c.since
    wrote = sa.select(replies.c.number).where(replies.c.account_id == run.account_id, at >= started_at, at <= until)
    left = sa.select(suppressions.c.number).where(
        since >= started_at, since <= until, ~suppressions.c.source.startswith(IMPORTED)
    )
    return wrote, left


def whole_outcome(session: Session, run: RunView, by_state: Mapping[RecipientState, int]) -> GroupOutcome:
    """Return everybody whom a run was to send to as one group, named after its campaign.

    Replies are those to its own texts. By the kept counts and an index: however large it is, it costs what they do.
    """
    number = sa.func.count(sa.distinct(replies.c.number))
    query = sa.select(number, number.filter(replies.c.meaning == Meaning.STOP.value)).where(replies.c.run_id == run.id)
    replied, opted_out = session.execute(query).one()
    sent, delivered = (by_state.get(state, 0) for state in (RecipientState.SENT, RecipientState.DELIVERED))
    people = sum(count for state, count in by_state.items() if state not in NEVER_SENT)
    return GroupOutcome(run.campaign, False, people, sent + delivered, delivered, replied, opted_out)
