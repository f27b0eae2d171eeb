"""The second transaction of a send: what became of the request, written down once."""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from campaigns.codes import WaitsFor
from campaigns.lifecycle import BatchState, RecipientState
from campaigns.segments import segmentation
from worker.logs import get_logger
from worker.store import accounts, hot_outcomes, unsubscriptions
from worker.store.following import add_groups
from worker.store.intent import Intent
from worker.store.models import Attempt, AttemptState, Recipient
from worker.store.moves import changed, move_batch, move_recipients
from worker.store.splitting import branch_off
from worker.store.tables import batches, recipients


@dataclass(frozen=True, slots=True)
class Placed:
    """What the gateway said about one recipient."""

    recipient_id: int
    gateway_id: int
    group_id: str | None
    device: int | None
    sim: int | None


def close_attempt(
    session: Session, attempt_id: int, *, outcome: str, evidence: Mapping[str, Any], now: datetime
) -> bool:
    """Write the outcome down, once. False: it was decided already, and this one is too late to count."""
    values = {"b_attempt": attempt_id, "b_outcome": outcome, "b_evidence": dict(evidence), "b_now": now}
    return bool(session.connection().execute(hot_outcomes.CLOSE_ATTEMPT, values).rowcount)


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
    """The gateway has these recipients; how many they are. Whoever is not named stays in doubt: the caller decides.

    `has_answered`: it said so in its reply, so the account works.
    """
    highest_id = max((p.gateway_id for p in placed), default=0)
    if placed:
        connection = session.connection()
        rows = json.dumps([(p.recipient_id, p.gateway_id, p.group_id, p.device, p.sim) for p in placed])
        connection.execute(hot_outcomes.ACCEPT[connection.dialect.name], {"b_rows": rows, "b_now": now})
        add_groups(
            session, intent.run_id, intent.batch_id, [p.group_id for p in placed], now=now, first_poll_at=first_poll_at
        )
    conclude_batch(session, intent.batch_id, retry_at=retry_at)
    # Last: every request of the account waits for this row until the commit.
    if has_answered:
        accounts.note_answer(session, intent.account_id, highest_id)
    elif placed:
        accounts.raise_floor(session, intent.account_id, highest_id)
    return len(placed)


def conclude_batch(session: Session, batch_id: int, *, retry_at: datetime) -> None:
    """A request of the batch is done: accepted, refused or held; or waiting again, if people are left to send."""
    session.connection().execute(hot_outcomes.CONCLUDE_BATCH, {"b_batch": batch_id, "b_retry_at": retry_at})


def release(session: Session, recipient_ids: Sequence[int], reason: str) -> int:
    """Proven not sent: these recipients are pending again."""
    return _move_in_doubt(session, recipient_ids, RecipientState.PENDING, reason)


def fail_in_doubt(session: Session, recipient_ids: Sequence[int], reason: str) -> int:
    """Proven refused for good."""
    return _move_in_doubt(session, recipient_ids, RecipientState.FAILED, reason)


def hold_in_doubt(session: Session, recipient_ids: Sequence[int], reason: str) -> int:
    """Nobody can tell: a person has to decide."""
    return _move_in_doubt(session, recipient_ids, RecipientState.HELD, reason)


def _move_in_doubt(session: Session, recipient_ids: Sequence[int], to: RecipientState, reason: str) -> int:
    if not recipient_ids:
        return 0
    return changed(
        session,
        move_recipients(
            to, recipients.c.id.in_(recipient_ids), recipients.c.state == RecipientState.IN_DOUBT, reason=reason
        ),
    )


def postpone_batch(session: Session, batch_id: int, *, until: datetime, waits_for: WaitsFor, reason: str) -> None:
    """Proven not sent: the batch waits until then and is posted again; `reason` is for people."""
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
    """Nobody knows whether the gateway has it: reconciling looks it up."""
    statement = (
        sa.update(Attempt)
        .where(col(Attempt.id) == intent.attempt_id, col(Attempt.state) == AttemptState.OPEN)
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


def split_batch(
    session: Session,
    batch_id: int,
    *,
    until: datetime,
    waits_for: WaitsFor = WaitsFor.NOTHING,
    reason: str = "",
    most_segments: int | None = None,
) -> int | None:
    """Cut a batch of pending people in two; the id of the second one. None: one person cannot be cut.

    In two halves, or so that the first costs `most_segments` at most, where one person does not cost more.
    """
    people = session.exec(
        select(Recipient.id, Recipient.segments)
        .where(Recipient.batch_id == batch_id, Recipient.state == RecipientState.PENDING)
        .order_by(col(Recipient.id))
    ).all()
    if len(people) < 2:
        return None
    kept = len(people) // 2
    if most_segments is not None:
        kept = max(1, bisect_right(list(accumulate(segments for _, segments in people)), most_segments))
        if kept == len(people):
            return None
    second = [id_ for id_, _ in people[kept:]]
    return branch_off(session, batch_id, second, until=until, waits_for=waits_for, reason=reason)


@dataclass(frozen=True, slots=True)
class Listed:
    """A person of a contact list, known from the reply alone."""

    number: str
    text: str
    placed: Placed


def record_list_accepted(
    session: Session, intent: Intent, people: Sequence[Listed], *, now: datetime, first_poll_at: datetime
) -> None:
    """The gateway sent the text to these people of one of its lists: they are the audience."""
    segments = segmentation(people[0].text).segments if people else 0
    seen: set[str] = set()
    rows = []
    for line, person in enumerate(people, start=1):
        placed = person.placed
        rows.append(
            {
                "run_id": intent.run_id,
                "batch_id": intent.batch_id,
                "number": person.number,
                "occurrence": 0 if person.number not in seen else line,
                "source": f"contact list {intent.list_id}",
                "line": line,
                "state": RecipientState.ACCEPTED,
                "text": person.text,
                "segments": segments,
                "gateway_id": placed.gateway_id,
                "group_id": placed.group_id,
                "device": placed.device,
                "sim": placed.sim,
                "attempts": 1,
                "accepted_at": now,
            }
        )
        seen.add(person.number)
    if rows:
        session.execute(sa.insert(Recipient), rows)
        reached = unsubscriptions.note_reached(session, intent.run_id, seen, now=now)
        if reached:
            get_logger().error("opt_out.reached", run=intent.run_id, list=intent.list_id, people=len(reached))
        groups = [person.placed.group_id for person in people]
        add_groups(session, intent.run_id, intent.batch_id, groups, now=now, first_poll_at=first_poll_at)
        accounts.raise_floor(session, intent.account_id, max(person.placed.gateway_id for person in people))
    totals = {"recipients": len(rows), "segments": segments * len(rows)}
    session.execute(move_batch(BatchState.ACCEPTED, batches.c.id == intent.batch_id, **totals))


def hold_batch(session: Session, batch_id: int, reason: str) -> None:
    """A person has to decide on the whole batch: it went to a contact list, whose people nobody here knows."""
    session.execute(move_batch(BatchState.HELD, batches.c.id == batch_id, reason=reason))
