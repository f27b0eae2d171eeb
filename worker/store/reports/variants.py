"""The outcome of each variant and of the control group."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
    runs = [run.id, *again]
    state = recipients.c.state
    people = _counted(session, [run.id])
    sent = _counted(session, runs, state.in_([RecipientState.SENT, RecipientState.DELIVERED]))
    delivered = _counted(session, runs, state == RecipientState.DELIVERED)
    replied: Counter[Group] = Counter()
    opted_out: Counter[Group] = Counter()
    if run.started_at is not None:
        until = (run.sent_at or now) + timedelta(seconds=run.follow_seconds)
        at = replies.c.received_at
        wrote = sa.select(replies.c.number).where(
            replies.c.account_id == run.account_id, at >= run.started_at, at <= until
        )
        since = suppressions.c.since
        left = sa.select(suppressions.c.number).where(
            since >= run.started_at, since <= until, ~suppressions.c.source.startswith(IMPORTED)
        )
        number = recipients.c.number
        replied = _counted(session, [run.id], number.in_(wrote))
        opted_out = _counted(session, [run.id], number.in_(left))
    return tuple(
        GroupOutcome(*group, people[group], sent[group], delivered[group], replied[group], opted_out[group])
        for group in sorted(people, key=lambda group: (group[1], group[0]))
    )


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


def _counted(session: Session, run_ids: Sequence[int], *where: sa.ColumnElement[bool]) -> Counter[Group]:
    is_control = recipients.c.state == RecipientState.HOLDOUT
    # A person who was assigned has a text or is in the control group.
    shared_out = sa.or_(is_control, recipients.c.text != "")
    columns: tuple[Any, ...] = (recipients.c.variant, is_control, sa.func.count())
    query = sa.select(*columns).where(recipients.c.run_id.in_(run_ids), shared_out, *where)
    rows = session.execute(query.group_by(recipients.c.variant, is_control))
    return Counter({(variant, bool(control)): count for variant, control, count in rows})
