"""The second transaction of a send: the outcome of the request, recorded once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import WaitsFor
from campaigns.lifecycle import BATCH_MOVES, BatchState, RecipientState, may_become
from campaigns.message.segments import segmentation
from worker.logs import get_logger
from worker.store.following.groups import add_groups
from worker.store.models import AttemptState
from worker.store.money import charges
from worker.store.people import audience_sources, people_on_record, unsubscriptions
from worker.store.sending import accounts, grants
from worker.store.sending.intent import Intent
from worker.store.statements import Statement, rows_given
from worker.store.tables import attempts, batches, recipients
from worker.store.transitions import changed, move_batch, move_recipients, one_of


class Placed(NamedTuple):
    """What the gateway said about one recipient, in the order of `_PLACED`: with its name for their group."""

    recipient_id: int
    gateway_id: int
    group_id: str | None
    device: int | None
    sim: int | None


_now = sa.bindparam("b_now", type_=attempts.c.started_at.type)

CLOSE_ATTEMPT: Final = Statement(
    sa.update(attempts)
    .where(attempts.c.id == sa.bindparam("b_attempt"), attempts.c.state != AttemptState.CLOSED)
    .values(
        state=AttemptState.CLOSED,
        outcome=sa.bindparam("b_outcome"),
        evidence=sa.bindparam("b_evidence", type_=attempts.c.evidence.type),
        finished_at=_now,
    )
)


def close_attempt(
    session: Session, attempt_id: int, *, outcome: str, evidence: Mapping[str, Any], now: datetime
) -> bool:
    """Record the outcome, once. False: it was already decided, and this one is too late to count."""
    values = {"b_attempt": attempt_id, "b_outcome": outcome, "b_evidence": dict(evidence), "b_now": now}
    return bool(CLOSE_ATTEMPT.changed(session.connection(), values))


_PLACED: Final = ("id", "gateway_id", "message_group_id", "device", "sim")
"""The columns of one row of `b_rows`, a JSON list of lists in this order."""


def _accept(row: Mapping[str, sa.ColumnElement[Any]]) -> Statement:
    statement = move_recipients(
        RecipientState.ACCEPTED,
        recipients.c.id == row["id"],
        recipients.c.state == RecipientState.IN_DOUBT,
        **{name: row[name] for name in _PLACED[1:]},
        accepted_at=sa.bindparam("b_now", type_=recipients.c.accepted_at.type),
        reason="",
        gateway_retries=0,
    )
    return Statement(statement)


ACCEPT: Final = {
    dialect: _accept(row) for dialect, row in rows_given({name: recipients.c[name].type for name in _PLACED}).items()
}
"""All recipients of a request in one statement."""


def record_accepted(
    session: Session,
    intent: Intent,
    placed: Sequence[Placed],
    *,
    now: datetime,
    first_poll_at: datetime,
    retry_at: datetime,
    has_answered: bool = False,
) -> int:
    """Record these recipients as accepted; return how many. People who are not named stay in doubt: the caller decides.

    `has_answered`: the gateway said so in its reply, so the account works.
    """
    highest_id = max((p.gateway_id for p in placed), default=0)
    if placed:
        connection = session.connection()
        names = [p.group_id for p in placed]
        groups = add_groups(session, intent.run_id, intent.batch_id, names, now=now, first_poll_at=first_poll_at)
        rows = json.dumps([(p.recipient_id, p.gateway_id, groups[p.group_id or ""], p.device, p.sim) for p in placed])
        ACCEPT[connection.dialect.name].changed(connection, {"b_rows": rows, "b_now": now})
    if not placed or not ALL_ACCEPTED.changed(session.connection(), {"b_batch": intent.batch_id}):
        conclude_batch(session, intent.batch_id, retry_at=retry_at)
    # Last: every request of the account waits for this row until the commit.
    if has_answered:
        accounts.note_answer(session, intent.account_id, highest_id)
    elif placed:
        accounts.raise_floor(session, intent.account_id, highest_id)
    return len(placed)


_batch: sa.BindParameter[int] = sa.bindparam("b_batch")


def _has(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return sa.exists().where(recipients.c.batch_id == _batch, *conditions)


_has_pending = _has(recipients.c.state == RecipientState.PENDING)
ALL_ACCEPTED: Final = Statement(
    move_batch(
        BatchState.ACCEPTED,
        batches.c.id == _batch,
        ~_has(sa.or_(recipients.c.state == RecipientState.PENDING, recipients.c.state == RecipientState.HELD)),
    )
)
"""What `CONCLUDE_BATCH` comes to in most cases, in a quarter of its time. Somebody in the batch must be accepted."""

_ENDS: Final = (BatchState.PLANNED, BatchState.HELD, BatchState.ACCEPTED, BatchState.REFUSED)
CONCLUDE_BATCH: Final = Statement(
    sa.update(batches)
    .where(
        batches.c.id == _batch,
        # The states from which each of the four can be reached.
        one_of(batches.c.state, frozenset.intersection(*(may_become(BATCH_MOVES, to) for to in _ENDS))),
    )
    .values(
        state=sa.case(
            (_has_pending, BatchState.PLANNED.value),
            (_has(recipients.c.state == RecipientState.HELD), BatchState.HELD.value),
            (_has(recipients.c.gateway_id.is_not(None)), BatchState.ACCEPTED.value),
            else_=BatchState.REFUSED.value,
        ),
        not_before=sa.case(
            (_has_pending, sa.bindparam("b_retry_at", type_=batches.c.not_before.type)), else_=batches.c.not_before
        ),
        waits_for=sa.case((_has_pending, WaitsFor.RETRY.value), else_=WaitsFor.NOTHING.value),
    )
)
"""Waiting if people are left to send to, held if a person must decide, refused if nobody was accepted; or accepted."""


def conclude_batch(session: Session, batch_id: int, *, retry_at: datetime) -> None:
    """End a request of the batch: it is accepted, refused or held, or waits again if people are left to send to."""
    CONCLUDE_BATCH.changed(session.connection(), {"b_batch": batch_id, "b_retry_at": retry_at})


def release(session: Session, recipient_ids: Sequence[int], reason: str) -> int:
    """Make recipients who were proven not sent pending again."""
    return _move_in_doubt(session, recipient_ids, RecipientState.PENDING, reason)


def fail_in_doubt(session: Session, recipient_ids: Sequence[int], reason: str) -> int:
    """Fail recipients who were proven refused for good."""
    return _move_in_doubt(session, recipient_ids, RecipientState.FAILED, reason)


def hold_in_doubt(session: Session, recipient_ids: Sequence[int], reason: str) -> int:
    """Hold recipients whose outcome cannot be proven: a person must decide."""
    return _move_in_doubt(session, recipient_ids, RecipientState.HELD, reason)


def _move_in_doubt(session: Session, recipient_ids: Sequence[int], to: RecipientState, reason: str) -> int:
    if not recipient_ids:
        return 0
    moved = changed(
        session,
        move_recipients(
            to, recipients.c.id.in_(recipient_ids), recipients.c.state == RecipientState.IN_DOUBT, reason=reason
        ),
    )
    if to is not RecipientState.HELD:
        grants.ask_again(session, people_on_record.give_back(session, recipient_ids))
    return moved


def postpone_batch(session: Session, batch_id: int, *, until: datetime, waits_for: WaitsFor, reason: str) -> None:
    """Let a batch that was proven not sent wait until `until`; it is then posted again. `reason` is for people."""
    session.execute(
        move_batch(
            BatchState.PLANNED,
            batches.c.id == batch_id,
            batches.c.state.in_([BatchState.SENDING, BatchState.UNKNOWN]),
            not_before=until,
            waits_for=waits_for,
            reason=reason,
        )
    )


def mark_unknown(
    session: Session,
    intent: Intent,
    *,
    outcome: str,
    evidence: Mapping[str, Any],
    next_check_at: datetime,
    now: datetime,
) -> None:
    """Record that nobody knows whether the gateway has it: reconciling looks it up."""
    statement = (
        sa.update(attempts)
        .where(attempts.c.id == intent.attempt_id, attempts.c.state == AttemptState.OPEN)
        .values(
            state=AttemptState.UNKNOWN,
            outcome=outcome,
            evidence=dict(evidence),
            finished_at=now,
            next_check_at=next_check_at,
        )
    )
    if changed(session, statement):
        session.execute(move_batch(BatchState.UNKNOWN, batches.c.id == intent.batch_id, reason="outcome unknown"))


@dataclass(frozen=True, slots=True)
class Listed:
    """A person on a contact list, known only from the reply."""

    number: str
    text: str
    placed: Placed


def record_list_accepted(
    session: Session, intent: Intent, people: Sequence[Listed], *, now: datetime, first_poll_at: datetime
) -> None:
    """Record the people on one of its lists to whom the gateway sent the text: they are the audience."""
    segments = segmentation(people[0].text).segments if people else 0
    seen: set[str] = set()
    source = f"contact list {intent.list_id}"
    source_id = audience_sources.ids_of(session, [source])[source]
    names = [person.placed.group_id for person in people]
    groups = add_groups(session, intent.run_id, intent.batch_id, names, now=now, first_poll_at=first_poll_at)
    rows = []
    for line, person in enumerate(people, start=1):
        placed = person.placed
        rows.append(
            {
                "run_id": intent.run_id,
                "batch_id": intent.batch_id,
                "number": person.number,
                "occurrence": 0 if person.number not in seen else line,
                "source_id": source_id,
                "line": line,
                "state": RecipientState.ACCEPTED,
                "text": person.text,
                "segments": segments,
                "gateway_id": placed.gateway_id,
                "message_group_id": groups[placed.group_id or ""],
                "device": placed.device,
                "sim": placed.sim,
                "attempts": 1,
                "accepted_at": now,
            }
        )
        seen.add(person.number)
    if rows:
        session.execute(sa.insert(recipients), rows)
        if intent.bill is not None:
            charges.charge_list(session, intent.bill, intent.attempt_id, intent.run_id, intent.batch_id)
        reached = unsubscriptions.note_reached(session, intent.run_id, seen, now=now)
        if reached:
            get_logger().error("opt_out.reached", run=intent.run_id, list=intent.list_id, people=len(reached))
        accounts.raise_floor(session, intent.account_id, max(person.placed.gateway_id for person in people))
    totals = {"recipients": len(rows), "segments": segments * len(rows)}
    session.execute(move_batch(BatchState.ACCEPTED, batches.c.id == intent.batch_id, **totals))


def hold_batch(session: Session, batch_id: int, reason: str) -> None:
    """Hold the whole batch for a person to decide: it went to a contact list, whose people are not known here."""
    session.execute(move_batch(BatchState.HELD, batches.c.id == batch_id, reason=reason))


def refused(session: Session, run_id: int) -> tuple[int, int]:
    """Return (recipients refused for good by the gateway, recipients with a text) of a run."""
    return session.execute(
        sa.select(
            sa.func.count(
                sa.case((sa.and_(recipients.c.state == RecipientState.FAILED, recipients.c.gateway_id.is_(None)), 1))
            ),
            sa.func.count(),
        ).where(recipients.c.run_id == run_id, recipients.c.batch_id.is_not(None))
    ).one()
