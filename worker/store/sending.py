"""The two transactions of a send: the intent before the request, the outcome after it."""

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from itertools import accumulate
from operator import itemgetter
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from campaigns.capping import Cap
from campaigns.lifecycle import BatchState, RecipientState
from campaigns.segments import segmentation
from worker.logs import get_logger
from worker.store import accounts, hot, unsubscriptions
from worker.store.capping import is_passed
from worker.store.models import Attempt, AttemptState, Recipient
from worker.store.moves import changed, move_batch, move_recipients
from worker.store.splitting import branch_off
from worker.store.suppressions import lower_totals
from worker.store.tables import batches, recipients


@dataclass(frozen=True, slots=True)
class Work:
    """A batch that could be sent now: by the clocks of `zones` (empty: the campaign's), from `moment` to `latest`.

    Its people's texts failed on `avoid_device`: another one is tried where there is one.
    """

    batch_id: int
    run_id: int
    account_id: int
    definition_id: int
    ordinal: int
    attempt: int
    recipients: int
    segments: int
    list_id: int | None
    zones: str
    moment: datetime
    latest: datetime | None
    avoid_device: int | None
    parent_id: int | None  # the run whose failed texts it sends again


@dataclass(frozen=True, slots=True)
class Addressee:
    """One recipient of one request."""

    id: int
    number: str
    text: str
    segments: int


@dataclass(frozen=True, slots=True)
class Intent:
    """What was promised to the database before the request: exactly these people, at the latest by `send_by`."""

    attempt_id: int
    batch_id: int
    run_id: int
    account_id: int
    number: int
    send_by: datetime
    addressees: tuple[Addressee, ...]
    list_id: int | None


class NoIntent(StrEnum):
    """Why no request may be made for a batch now."""

    NOT_DUE = "not due"  # taken by somebody else, sent, cancelled; or the run or the account does not send
    ALL_IN_DOUBT = "numbers in doubt elsewhere"  # comes back later
    NOTHING_LEFT = "nothing left to send"
    OVER_CAP = "the frequency cap was reached just now"  # comes back soon, without those who reached it
    LIST_NOT_READY = "people who opted out are taken off the contact list first"  # comes back soon
    LIST_STUCK = "people who opted out cannot be taken off the contact list"  # a person has to look


COME_BACK: Final = frozenset({NoIntent.ALL_IN_DOUBT, NoIntent.OVER_CAP, NoIntent.LIST_NOT_READY})
"""What passes by itself, in seconds."""


@dataclass(frozen=True, slots=True)
class Placed:
    """What the gateway said about one recipient."""

    recipient_id: int
    gateway_id: int
    group_id: str | None
    device: int | None
    sim: int | None


def load_work(session: Session, batch_id: int) -> Work | None:
    """The batch and what it would cost in segments; None: there is nothing to do for it."""
    row = session.connection().execute(hot.LOAD_WORK, {"b_batch": batch_id}).first()
    return None if row is None else Work(*tuple(row))


def record_intent(
    session: Session,
    work: Work,
    *,
    target: str,
    now: datetime,
    send_by: timedelta,
    granted_at: datetime | None = None,
    cap: Cap | None = None,
) -> Intent | NoIntent:
    """Promise one request: the batch is `sending`, its people are `in_doubt`, the attempt is on record.

    `granted_at` is the throttle's moment, on its clock: limits are rebuilt by it. A recipient whose number is in doubt
    in another request is left out and comes back later; whoever has opted out by now is suppressed; where somebody is
    over the `cap`, there is no intent. Raises `sqlalchemy.exc.IntegrityError` when another transaction put one of the
    numbers in doubt at this very moment.
    """
    connection = session.connection()
    connection.execute(hot.LOCK_RUN, {"b_run": work.run_id})
    if not _may_go_in_company(connection, work):
        return NoIntent.ALL_IN_DOUBT
    if work.list_id is not None:
        left = unsubscriptions.outstanding(session, work.run_id, work.account_id, work.list_id, now=now)
        if left is not None:
            return _not_ready(session, work, left)
    number = connection.execute(hot.TAKE_BATCH, {"b_batch": work.batch_id}).scalar()
    if number is None:
        return NoIntent.NOT_DUE
    addressees: tuple[Addressee, ...] = ()
    if work.list_id is None:
        taken_out = connection.execute(hot.TAKE_OUT, {"b_batch": work.batch_id}).rowcount
        if work.parent_id is not None:
            left_out = {"b_batch": work.batch_id, "b_parent": work.parent_id}
            taken_out += connection.execute(hot.LEAVE_OUT, left_out).rowcount
        if taken_out:
            lower_totals(session, batches.c.id == work.batch_id)
        rows = connection.execute(hot.PROMISE, {"b_batch": work.batch_id}).all()
        addressees = tuple(Addressee(*row) for row in sorted(rows, key=itemgetter(0)))
        if not addressees:
            return NoIntent.ALL_IN_DOUBT if work.recipients > taken_out else NoIntent.NOTHING_LEFT
        # After the promise and not before: what was in doubt elsewhere a moment ago may be accepted by now.
        if cap is not None and is_passed(connection, work.batch_id, work.account_id, cap, now=now):
            return NoIntent.OVER_CAP
    deadline = now + send_by
    values = {
        "b_account": work.account_id,
        "b_run_id": work.run_id,
        "b_batch_id": work.batch_id,
        "b_number": number,
        "b_started_at": now,
        "b_send_by": deadline,
        "b_payload_hash": payload_hash(addressees),
        "b_target": target,
        "b_recipients": len(addressees),
        "b_segments": sum(a.segments for a in addressees) or work.segments,
        "b_granted_at": granted_at,
        # A process that died while it sent leaves an open attempt: from here on reconciling may take it over.
        "b_next_check_at": deadline,
    }
    attempt_id = connection.execute(hot.OPEN_ATTEMPT, values).scalar_one()
    return Intent(attempt_id, work.batch_id, work.run_id, work.account_id, number, deadline, addressees, work.list_id)


def _not_ready(session: Session, work: Work, left: unsubscriptions.Outstanding) -> NoIntent:
    if not left.stuck:
        return NoIntent.LIST_NOT_READY
    hold_batch(session, work.batch_id, str(left))
    return NoIntent.LIST_STUCK


def _may_go_in_company(connection: sa.Connection, work: Work) -> bool:
    """Whether the other requests of the account allow this one: one to a contact list goes alone.

    Its people are known from its messages alone: no other message of the account may be unaccounted for meanwhile.
    """
    is_list = work.list_id is not None
    if connection.dialect.name == "postgresql":
        connection.execute(hot.LOCK_EXCLUSIVE if is_list else hot.LOCK_SHARED, {"b_account": work.account_id})
    under_way = connection.execute(hot.UNDER_WAY, {"b_account": work.account_id}).one()
    return not (under_way.lists or (is_list and under_way.requests))


def payload_hash(addressees: Sequence[Addressee]) -> str:
    """What exactly was to be sent, without keeping it twice."""
    digest = sha256()
    for addressee in addressees:
        digest.update(f"{addressee.number}\0{addressee.text}\0".encode())
    return digest.hexdigest()


def close_attempt(
    session: Session, attempt_id: int, *, outcome: str, evidence: Mapping[str, Any], now: datetime
) -> bool:
    """Write the outcome down, once. False: it was decided already, and this one is too late to count."""
    values = {"b_attempt": attempt_id, "b_outcome": outcome, "b_evidence": dict(evidence), "b_now": now}
    return bool(session.connection().execute(hot.CLOSE_ATTEMPT, values).rowcount)


def record_accepted(
    session: Session,
    intent: Intent,
    placed: Sequence[Placed],
    *,
    now: datetime,
    first_poll_at: datetime,
    retry_at: datetime,
) -> int:
    """The gateway has these recipients; how many they are. Whoever is not named stays in doubt: the caller decides."""
    if placed:
        connection = session.connection()
        rows = json.dumps([(p.recipient_id, p.gateway_id, p.group_id, p.device, p.sim) for p in placed])
        connection.execute(hot.ACCEPT[connection.dialect.name], {"b_rows": rows, "b_now": now})
        add_groups(session, intent.run_id, intent.batch_id, placed, now=now, first_poll_at=first_poll_at)
        accounts.raise_floor(session, intent.account_id, max(p.gateway_id for p in placed))
    conclude_batch(session, intent.batch_id, retry_at=retry_at)
    return len(placed)


def add_groups(
    session: Session, run_id: int, batch_id: int, placed: Sequence[Placed], *, now: datetime, first_poll_at: datetime
) -> None:
    """Follow these messages from `first_poll_at` on; those without a groupID one by one, as group ''."""
    connection = session.connection()
    for group_id, messages in Counter(p.group_id or "" for p in placed).items():
        known = {
            "b_run": run_id,
            "b_batch": batch_id,
            "b_group": group_id,
            "b_messages": messages,
            "b_poll_at": first_poll_at,
        }
        if not connection.execute(hot.EXTEND_GROUP, known).rowcount:
            values = {
                "run_id": run_id,
                "batch_id": batch_id,
                "group_id": group_id,
                "accepted_at": now,
                "messages": messages,
                "polls": 0,
                "next_poll_at": first_poll_at,
            }
            connection.execute(hot.ADD_GROUP, values)


def conclude_batch(session: Session, batch_id: int, *, retry_at: datetime) -> None:
    """A request of the batch is done: accepted, refused or held; or waiting again, if people are left to send."""
    session.connection().execute(hot.CONCLUDE_BATCH, {"b_batch": batch_id, "b_retry_at": retry_at})


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


def postpone_batch(session: Session, batch_id: int, *, until: datetime, reason: str) -> None:
    """Proven not sent: the batch waits until then and is posted again."""
    session.execute(
        move_batch(
            BatchState.PLANNED,
            batches.c.id == batch_id,
            batches.c.state.in_([BatchState.SENDING, BatchState.UNKNOWN]),
            not_before=until,
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
    session: Session, batch_id: int, *, until: datetime, reason: str, most_segments: int | None = None
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
    return branch_off(session, batch_id, [id_ for id_, _ in people[kept:]], until=until, reason=reason)


def may_still_send(session: Session, intent: Intent) -> bool:
    """Whether neither the run nor its account was stopped since the intent, and nobody took its attempt for dead."""
    ids = {"b_run": intent.run_id, "b_attempt": intent.attempt_id}
    return session.connection().execute(hot.MAY_STILL_SEND, ids).first() is not None


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
        placements = [person.placed for person in people]
        add_groups(session, intent.run_id, intent.batch_id, placements, now=now, first_poll_at=first_poll_at)
        accounts.raise_floor(session, intent.account_id, max(p.gateway_id for p in placements))
    totals = {"recipients": len(rows), "segments": segments * len(rows)}
    session.execute(move_batch(BatchState.ACCEPTED, batches.c.id == intent.batch_id, **totals))


def hold_batch(session: Session, batch_id: int, reason: str) -> None:
    """A person has to decide on the whole batch: it went to a contact list, whose people nobody here knows."""
    session.execute(move_batch(BatchState.HELD, batches.c.id == batch_id, reason=reason))
