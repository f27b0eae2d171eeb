"""The conditions of steps, asked of the database: by every intent of a step, and when somebody answers.

On PostgreSQL two transactions do not see each other, so whatever could make a condition false meets the intent at a
lock. Whoever stores an answer or an opt-out takes the lock that every intent shares (`locks.lock_requests`). Receipts
change the rows of the text before, which an intent shares until its commit; it waits for nobody there, so that no
circle of locks can arise: if a receipt is being stored, the batch comes back a moment later.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.definition.steps import StepCondition
from campaigns.lifecycle import NEVER_LEFT, NEVER_SENT, RecipientState, RunState
from campaigns.steps.turns import NOT, UNDER_WAY
from worker.store.bulk import in_parts
from worker.store.column_types import AsUnixTime
from worker.store.events import EventName, record_event
from worker.store.locks import lock_requests
from worker.store.people.batches_left import end_emptied
from worker.store.people.run_answers import is_answer
from worker.store.statements import Statement
from worker.store.tables import recipients, replies, runs, suppressions
from worker.store.transitions import move_recipients, one_of

OPEN: Final = frozenset(
    {RunState.SCHEDULED, RunState.AWAITING_APPROVAL, RunState.RUNNING, RunState.PAUSED, RunState.SETTLING}
)
"""States of a run in which somebody may still wait for a step."""

EVERYBODY_LEFT: Final = "nobody in it meets the conditions of the step"

_batch: sa.BindParameter[int] = sa.bindparam("b_batch")
_root: sa.BindParameter[int] = sa.bindparam("b_root")
_previous: sa.BindParameter[int] = sa.bindparam("b_previous")
_pending = recipients.c.state == RecipientState.PENDING
_in_batch = (recipients.c.batch_id == _batch, _pending)

_before = recipients.alias("before")
_of_before = runs.alias("of_before")


def _has_before(row: sa.FromClause, run: sa.FromClause, *where: sa.ColumnElement[bool]) -> sa.Exists:
    """Match people of whom there is such a row of the text before: of its run, or of one that sent it again."""
    return sa.exists().where(
        row.c.number == recipients.c.number,
        row.c.slot == recipients.c.slot,
        row.c.occurrence == 0,
        row.c.run_id == run.c.id,
        sa.or_(run.c.id == _previous, run.c.parent_id == _previous),
        *where,
    )


def has_replied(root_id: int | sa.BindParameter[int]) -> sa.ColumnElement[bool]:
    """Match people who replied to a text of this run, of its steps or of what sent them again."""
    family = runs.alias("of_family")
    return sa.exists().where(
        replies.c.number == recipients.c.number,
        is_answer(),
        family.c.id == replies.c.run_id,
        sa.or_(family.c.id == root_id, family.c.root_id == root_id, family.c.parent_id == root_id),
    )


_another = recipients.alias("another")
_MAY_HAVE_TEXT: Final = frozenset(RecipientState) - NEVER_SENT - NEVER_LEFT - {RecipientState.SKIPPED}
_IS_TRUE: Final = {
    StepCondition.REPLIED: has_replied(_root),
    StepCondition.DELIVERED: _has_before(_before, _of_before, _before.c.state == RecipientState.DELIVERED),
    StepCondition.FAILED: sa.and_(
        _has_before(_before, _of_before, _before.c.state == RecipientState.FAILED),
        ~_has_before(_another, runs.alias("of_another"), one_of(_another.c.state, _MAY_HAVE_TEXT)),
    ),
    StepCondition.OPTED_OUT: sa.exists().where(
        suppressions.c.number == recipients.c.number, suppressions.c.ended_at.is_(None)
    ),
}
"""What is true of the person of a row of a step, with `b_root` and `b_previous`."""

_BY_RECEIPTS: Final = frozenset({StepCondition.DELIVERED, StepCondition.FAILED})


def _leave_out(*where: sa.ColumnElement[bool]) -> dict[str, Statement]:
    """Return for each code what leaves out those of these people to whom it applies."""
    found = {}
    for condition, is_true in _IS_TRUE.items():
        for code, applies in ((condition.value, is_true), (NOT + condition.value, ~is_true)):
            found[code] = Statement(move_recipients(RecipientState.EXCLUDED, *where, applies, reason=code))
    return found


LEAVE_OUT: Final = _leave_out(*_in_batch)

SHARE_BEFORE: Final = Statement(
    sa.select(_before.c.id)
    .select_from(
        recipients.join(
            _before,
            sa.and_(
                _before.c.number == recipients.c.number,
                _before.c.slot == recipients.c.slot,
                _before.c.occurrence == 0,
            ),
        ).join(_of_before, _of_before.c.id == _before.c.run_id)
    )
    .where(*_in_batch, sa.or_(_of_before.c.id == _previous, _of_before.c.parent_id == _previous))
    .order_by(_before.c.id)
    .with_for_update(read=True, nowait=True, of=_before)
)
"""A share of the rows of the text before, until the commit. PostgreSQL raises an error if somebody changes one."""

GO_BACK: Final = Statement(
    sa.update(recipients)
    .where(*_in_batch, _has_before(_before, _of_before, one_of(_before.c.state, UNDER_WAY)))
    .values(batch_id=None)
)
"""Those whose text before goes once more, since it had failed, wait for it again."""


def codes_of(unless: str | None, only_if: str | None) -> list[str]:
    """Return the codes by which somebody may be left out of a step with these conditions, as a run has them."""
    return [*filter(None, (unless or "").split(",")), *(NOT + each for each in (only_if or "").split(",") if each)]


def leave_out(
    connection: sa.Connection, batch_id: int, root_id: int, previous_id: int, unless: str | None, only_if: str | None
) -> int:
    """Take out of a step's batch whom it is not for, in the transaction of its intent; return how many.

    Raises `sqlalchemy.exc.OperationalError` if a receipt of the text before is being stored.
    """
    values = {"b_batch": batch_id, "b_root": root_id, "b_previous": previous_id}
    codes = codes_of(unless, only_if)
    if connection.dialect.name != "sqlite" and any(code.removeprefix(NOT) in _BY_RECEIPTS for code in codes):
        SHARE_BEFORE.rows(connection, values)
    found = GO_BACK.changed(connection, values)
    return found + sum(LEAVE_OUT[code].changed(connection, values) for code in codes)


_after: sa.BindParameter[int] = sa.bindparam("b_after")
_until: sa.BindParameter[int] = sa.bindparam("b_until")
PERMANENT: Final = (StepCondition.REPLIED.value, StepCondition.DELIVERED.value)
"""What does not become untrue again: whoever is left out by it need not wait for the moment."""

_LEAVE_OUT_EARLY: Final = _leave_out(
    recipients.c.run_id == sa.bindparam("b_run"),
    recipients.c.id > _after,
    recipients.c.id <= _until,
    recipients.c.batch_id.is_(None),
    _pending,
)


def leave_out_early(
    session: Session, run_id: int, root_id: int, previous_id: int, unless: str | None, *, after: int, until: int
) -> int:
    """Leave out those of these rows of a step who wait, and whom it is not for, whatever happens; return how many."""
    values = {"b_run": run_id, "b_root": root_id, "b_previous": previous_id, "b_after": after, "b_until": until}
    early = [code for code in codes_of(unless, None) if code in PERMANENT]
    return sum(_LEAVE_OUT_EARLY[code].changed(session.connection(), values) for code in early)


_own = runs.alias("own")
_answered = runs.alias("answered")
_family = sa.func.coalesce(_answered.c.root_id, _answered.c.parent_id, _answered.c.id)
_UNLESS_REPLIED: Final = (_own.c.unless.contains(StepCondition.REPLIED.value), one_of(_own.c.state, OPEN))


def _of_answers(ids: Collection[int]) -> sa.Select[tuple[int, int]]:
    """Return the rows of steps of those who wrote these replies (row ids), and answered a campaign of these steps."""
    return (
        sa.select(recipients.c.id, recipients.c.run_id)
        .select_from(
            replies.join(_answered, _answered.c.id == replies.c.run_id)
            .join(recipients, recipients.c.number == replies.c.number)
            .join(_own, sa.and_(_own.c.id == recipients.c.run_id, _own.c.root_id == _family))
        )
        .where(replies.c.id.in_(ids), is_answer(), *_UNLESS_REPLIED)
    )


def take_out_answering(session: Session, account_id: int, ids: Collection[int], *, now: datetime) -> None:
    """Leave those who wrote these replies (row ids) out of the steps that are for people who do not reply.

    Called in the transaction that stores them. From its commit on no intent of such a step is made for them. If a
    request with the step is under way, or was made after they wrote, that is noted.
    """
    has_steps = sa.exists().where(_own.c.root_id.is_not(None), *_UNLESS_REPLIED)
    if not ids or not session.connection().execute(sa.select(has_steps)).scalar_one():
        return
    are_concerned = (
        sa.select(replies.c.id)
        .select_from(replies.join(_answered, _answered.c.id == replies.c.run_id).join(_own, _own.c.root_id == _family))
        .where(is_answer(), *_UNLESS_REPLIED)
        .distinct()
    )
    concerned: list[int] = []
    for part in in_parts(sorted(ids)):
        concerned += session.scalars(are_concerned.where(replies.c.id.in_(part)))
    if not concerned:
        return
    lock_requests(session, [account_id])  # lock first, then ask
    for part in in_parts(concerned):
        theirs = sa.select(_of_answers(part).subquery().c.id)
        leave = move_recipients(
            RecipientState.EXCLUDED, recipients.c.id.in_(theirs), _pending, reason=StepCondition.REPLIED.value
        )
        end_emptied(session, session.scalars(leave.returning(recipients.c.batch_id)), EVERYBODY_LEFT)
        is_too_late = sa.or_(
            recipients.c.state == RecipientState.IN_DOUBT, recipients.c.accepted_at >= AsUnixTime(replies.c.received_at)
        )
        too_late: dict[int, set[int]] = {}
        for row_id, run_id in session.execute(_of_answers(part).where(is_too_late)):
            too_late.setdefault(run_id, set()).add(row_id)
        for run_id, rows in sorted(too_late.items()):
            detail = {"recipients": sorted(rows)}
            record_event(session, EventName.STEP_ANSWERED, now, run_id=run_id, detail=detail)
