"""Which people of a run a filter matches, and why something is done for one of them or not.

One expression decides: a plan counts by it, a list shows whom it counts, and the action takes those whom it names.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import NEVER_SENT, RecipientState
from campaigns.phone_numbers.pseudonyms import ERASED_TEXT
from campaigns.protocol.bulk_actions import BulkAction, Cause
from worker.store.following.standing import counts_as_failed
from worker.store.kept.counting import CONTROL, COUNTED, MOST_REASON
from worker.store.people.run_answers import FIGURES, is_answer
from worker.store.runs.resends import has_later_text, is_proven, retry_waits
from worker.store.tables import recipients, replies, run_answers, runs, suppressions

ANY_REPLY: Final = "any"
NO_REPLY: Final = "none"
AN_ANSWER: Final = "answer"
"""Values of the filter `reply` besides a meaning."""

NONE: Final = "none"
"""The value of the filters `reason`, `device` and `result_code` for rows that have none."""

NOT_CONTROL: Final = "all-but-control"
"""The value of the filter `part` for everybody who is not in the control group."""

PEOPLE: Final = "people"
REACHED: Final[Mapping[str, tuple[RecipientState, ...]]] = {
    "sent": (RecipientState.SENT, RecipientState.DELIVERED),
    "delivered": (RecipientState.DELIVERED,),
}
"""Values of the filter `reached`, besides `PEOPLE` (to whom a run was to send) and the kinds of `run_answers`."""

EVERY_FIGURE: Final = (PEOPLE, *REACHED, *FIGURES)

NUMBER: Final = r"^\+[1-9][0-9]{6,14}$"
"""A row that cannot be used may have any text where its number belongs. The lengths are those of E.164."""

AT_ONCE: Final = 1_000
"""How many people are read at once."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows have this cause. `total` is the sum of their ids: it differs if they are others."""

    cause: Cause
    people: int
    total: int


def matches(run_id: int, filters: Mapping[str, Any], again: Sequence[int] = ()) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of a filter: values of columns by their names, and those of `_OTHERS`.

    `again`: resends of the run, whose people and replies count, too.
    """
    return [
        _OTHERS[name]([run_id, *again], value) if name in _OTHERS else recipients.c[name] == value
        for name, value in filters.items()
    ]


def _because(_run_ids: Sequence[int], words: str) -> sa.ColumnElement[bool]:
    """Match words that somebody chose from a list: of a failure's, no more than `MOST_REASON` characters are kept."""
    said = recipients.c.reason if len(words) < MOST_REASON else sa.func.substr(recipients.c.reason, 1, MOST_REASON)
    wanted = "" if words == NONE else words
    return sa.and_(said == wanted)


def _by_number(name: str) -> Callable[[Sequence[int], int | str], sa.ColumnElement[bool]]:
    return lambda _run_ids, value: recipients.c[name].is_(None) if value == NONE else recipients.c[name] == value


def _of_part(_run_ids: Sequence[int], part: str) -> sa.ColumnElement[bool]:
    """Match a part of a run's people, as it is kept: its control group, or those who were given a variant's text."""
    theirs: sa.ColumnElement[str] = sa.literal_column(COUNTED[0].part.format(row="recipient"), sa.String)
    return theirs != CONTROL if part == NOT_CONTROL else theirs == part


def _reached(run_ids: Sequence[int], figure: str) -> sa.ColumnElement[bool]:
    """Match those who are counted in a figure by which campaigns are compared."""
    if figure == PEOPLE:
        return recipients.c.state.not_in(sorted(NEVER_SENT))
    if figure in FIGURES:
        noted = sa.select(run_answers.c.recipient_id).where(
            run_answers.c.run_id.in_(run_ids), run_answers.c.kind == figure
        )
        return recipients.c.id.in_(noted)
    return recipients.c.state.in_(REACHED[figure])


def recipient_of(run_id: int) -> sa.ColumnElement[bool]:
    """Match the people of a run."""
    return recipients.c.run_id == run_id


def _replied(run_ids: Sequence[int], meaning: str) -> sa.ColumnElement[bool]:
    wrote = sa.select(replies.c.recipient_id).where(replies.c.run_id.in_(run_ids), replies.c.recipient_id.is_not(None))
    if meaning == AN_ANSWER:
        wrote = wrote.where(is_answer())
    elif meaning not in {ANY_REPLY, NO_REPLY}:
        wrote = wrote.where(replies.c.meaning == meaning)
    return recipients.c.id.not_in(wrote) if meaning == NO_REPLY else recipients.c.id.in_(wrote)


_OTHERS: Final[Mapping[str, Callable[[Sequence[int], Any], sa.ColumnElement[bool]]]] = {
    "reply": _replied,
    "reason": _because,
    "part": _of_part,
    "reached": _reached,
    "device": _by_number("device"),
    "result_code": _by_number("result_code"),
}


def is_for(session: Session, action: BulkAction, run_id: int, cause: Cause) -> sa.ColumnElement[bool]:
    """Return the condition that an action is done, or not done, for this cause."""
    return _cause(session, action, run_id) == cause.value


def _cause(session: Session, action: BulkAction, run_id: int) -> sa.ColumnElement[str]:
    kind, parent = session.execute(sa.select(runs.c.kind, runs.c.parent_id).where(runs.c.id == run_id)).one()
    listed = sa.exists().where(suppressions.c.number == recipients.c.number, suppressions.c.ended_at.is_(None))
    if action is BulkAction.RESEND:
        return sa.case(
            (recipients.c.state != RecipientState.FAILED, Cause.NOT_FAILED.value),
            (recipients.c.text == ERASED_TEXT, Cause.ERASED.value),
            (~counts_as_failed(), Cause.DUPLICATE.value),
            (has_later_text(session, parent or run_id), Cause.SENT_AGAIN.value),
            (retry_waits(), Cause.RETRY_WAITS.value),
            # Without a result it is neither true nor false.
            (~sa.func.coalesce(is_proven(), sa.false()), Cause.NOT_PROVEN.value),
            (listed.where(suppressions.c.kind.in_(["", kind])), Cause.OPTED_OUT.value),
            else_=Cause.DONE.value,
        )
    if action is BulkAction.OPT_OUT:  # for every row with a number, whatever became of it: a number is opted out once
        return sa.case(
            (~recipients.c.number.regexp_match(NUMBER), Cause.NO_NUMBER.value),
            (listed.where(suppressions.c.kind == ""), Cause.OPTED_OUT.value),
            else_=Cause.DONE.value,
        )
    return sa.case((recipients.c.state != RecipientState.HELD, Cause.NOT_HELD.value), else_=Cause.DONE.value)


def count_causes(session: Session, action: BulkAction, run_id: int, filters: Mapping[str, Any]) -> list[Counted]:
    """Return for how many people whom a filter matches it would be done, and for how many not."""
    chosen = (
        sa.select(recipients.c.id, _cause(session, action, run_id).label("cause"))
        .where(recipients.c.run_id == run_id, *matches(run_id, filters))
        .subquery()
    )
    query = sa.select(chosen.c.cause, sa.func.count(), sa.func.sum(chosen.c.id)).group_by(chosen.c.cause)
    found = [Counted(Cause(cause), people, int(total)) for cause, people, total in session.execute(query)]
    return sorted(found, key=lambda counted: list(Cause).index(counted.cause))


def numbers_for(
    session: Session, action: BulkAction, run_id: int, filters: Mapping[str, Any], *, after: int
) -> list[tuple[int, str]]:
    """Return the next people for whom it would be done, at most `AT_ONCE`: the id of the row and the number."""
    query = sa.select(recipients.c.id, recipients.c.number).where(
        recipients.c.run_id == run_id,
        recipients.c.id > after,
        *matches(run_id, filters),
        is_for(session, action, run_id, Cause.DONE),
    )
    return [(id_, number) for id_, number in session.execute(query.order_by(recipients.c.id).limit(AT_ONCE))]
