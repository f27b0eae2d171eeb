"""The two transactions of a send: the intent before the request, the outcome after it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.segments import segmentation
from worker.store.models import Account, Attempt, AttemptState, Batch, MessageGroup, Recipient, Run
from worker.store.moves import batches, changed, move_batch, move_recipients, recipients


@dataclass(frozen=True, slots=True)
class Work:
    """A batch that could be sent now."""

    batch_id: int
    run_id: int
    account_id: int
    definition_id: int
    ordinal: int
    attempt: int
    recipients: int
    segments: int
    list_id: int | None


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
    pending = (
        select(
            col(Recipient.batch_id).label("batch_id"),
            sa.func.count().label("recipients"),
            sa.func.sum(Recipient.segments).label("segments"),
        )
        .where(Recipient.batch_id == batch_id, Recipient.state == RecipientState.PENDING)
        .group_by(col(Recipient.batch_id))
        .subquery()
    )
    row = session.execute(
        sa.select(
            batches.c.id,
            batches.c.run_id,
            col(Run.account_id),
            col(Run.definition_id),
            batches.c.ordinal,
            batches.c.attempt,
            sa.func.coalesce(pending.c.recipients, 0),
            sa.func.coalesce(pending.c.segments, batches.c.segments),
            batches.c.list_id,
        )
        .join(Run, col(Run.id) == batches.c.run_id)
        .outerjoin(pending, pending.c.batch_id == batches.c.id)
        .where(
            batches.c.id == batch_id,
            batches.c.state.in_([BatchState.PLANNED, BatchState.QUEUED]),
            col(Run.state) == RunState.RUNNING,
        )
    ).first()
    return None if row is None else Work(*row)


def record_intent(session: Session, work: Work, *, target: str, now: datetime, send_by: timedelta) -> Intent | NoIntent:
    """Promise one request: the batch is `sending`, its people are `in_doubt`, the attempt is on record.

    A recipient whose number is in doubt in another request is left out and comes back later. Raises
    `sqlalchemy.exc.IntegrityError` when another transaction put one of the numbers in doubt at this very moment.
    """
    # A share of the run's lock: from the moment that a pause or a cancel is committed, no intent comes after it.
    session.execute(select(Run.id).where(Run.id == work.run_id).with_for_update(read=True))
    may_send = (
        sa.exists()
        .where(col(Run.id) == batches.c.run_id, col(Run.state) == RunState.RUNNING)
        .where(col(Account.id) == col(Run.account_id), col(Account.paused_reason) == "")
    )
    taken = session.execute(
        move_batch(
            BatchState.SENDING, batches.c.id == work.batch_id, may_send, attempt=batches.c.attempt + 1, reason=""
        ).returning(batches.c.attempt)
    ).scalar()
    if taken is None:
        return NoIntent.NOT_DUE
    addressees: tuple[Addressee, ...] = ()
    if work.list_id is None:
        other = sa.orm.aliased(Recipient)
        in_doubt = sa.select(col(other.number)).where(col(other.state) == RecipientState.IN_DOUBT)
        rows = session.execute(
            move_recipients(
                RecipientState.IN_DOUBT,
                recipients.c.batch_id == work.batch_id,
                recipients.c.state == RecipientState.PENDING,
                recipients.c.number.not_in(in_doubt),
                attempts=recipients.c.attempts + 1,
            ).returning(recipients.c.id, recipients.c.number, recipients.c.text, recipients.c.segments)
        ).all()
        addressees = tuple(sorted((Addressee(*row) for row in rows), key=lambda a: a.id))
        if not addressees:
            return NoIntent.ALL_IN_DOUBT if work.recipients else NoIntent.NOTHING_LEFT
    deadline = now + send_by
    attempt = Attempt(
        run_id=work.run_id,
        batch_id=work.batch_id,
        number=taken,
        state=AttemptState.OPEN,
        started_at=now,
        send_by=deadline,
        id_floor=session.exec(select(Account.highest_gateway_id).where(Account.id == work.account_id)).one(),
        payload_hash=payload_hash(addressees),
        target=target,
        recipients=len(addressees),
        segments=sum(a.segments for a in addressees) or work.segments,
        # A process that died while it sent leaves an open attempt: from here on reconciling may take it over.
        next_check_at=deadline,
    )
    session.add(attempt)
    session.flush()
    return Intent(attempt.id, work.batch_id, work.run_id, work.account_id, taken, deadline, addressees, work.list_id)


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
    statement = (
        sa.update(Attempt)
        .where(col(Attempt.id) == attempt_id, col(Attempt.state) != AttemptState.CLOSED)
        .values(state=AttemptState.CLOSED, outcome=outcome, evidence=dict(evidence), finished_at=now)
    )
    return bool(changed(session, statement))


def record_accepted(
    session: Session,
    intent: Intent,
    placed: Sequence[Placed],
    *,
    now: datetime,
    first_poll_at: datetime,
    retry_at: datetime,
) -> int:
    """The gateway has these recipients; how many changed. Recipients not named stay in doubt: the caller decides."""
    statement = (
        move_recipients(RecipientState.ACCEPTED, recipients.c.id == sa.bindparam("b_id"))
        .where(recipients.c.state == RecipientState.IN_DOUBT)
        .values(
            gateway_id=sa.bindparam("b_gateway_id"),
            group_id=sa.bindparam("b_group_id"),
            device=sa.bindparam("b_device"),
            sim=sa.bindparam("b_sim"),
            accepted_at=now,
            reason="",
            retries=0,
        )
    )
    if placed:
        session.connection().execute(
            statement,
            [
                {
                    "b_id": p.recipient_id,
                    "b_gateway_id": p.gateway_id,
                    "b_group_id": p.group_id,
                    "b_device": p.device,
                    "b_sim": p.sim,
                }
                for p in placed
            ],
        )
        add_groups(session, intent.run_id, intent.batch_id, placed, now=now, first_poll_at=first_poll_at)
        raise_floor(session, intent.account_id, max(p.gateway_id for p in placed))
    conclude_batch(session, intent.batch_id, retry_at=retry_at)
    return len(placed)


def add_groups(
    session: Session, run_id: int, batch_id: int, placed: Sequence[Placed], *, now: datetime, first_poll_at: datetime
) -> None:
    """Follow these messages from `first_poll_at` on; those without a groupID one by one, as group ''."""
    for group_id, messages in Counter(p.group_id or "" for p in placed).items():
        known = sa.update(MessageGroup).where(
            col(MessageGroup.run_id) == run_id,
            col(MessageGroup.group_id) == group_id,
            col(MessageGroup.batch_id) == batch_id,
        )
        if not changed(session, known.values(messages=MessageGroup.messages + messages, next_poll_at=first_poll_at)):
            session.add(
                MessageGroup(
                    run_id=run_id,
                    batch_id=batch_id,
                    group_id=group_id,
                    accepted_at=now,
                    messages=messages,
                    next_poll_at=first_poll_at,
                )
            )
    session.flush()


def raise_floor(session: Session, account_id: int, gateway_id: int) -> None:
    """Remember the highest gateway ID seen: messages of a later request lie above it."""
    session.execute(
        sa.update(Account)
        .where(col(Account.id) == account_id, col(Account.highest_gateway_id) < gateway_id)
        .values(highest_gateway_id=gateway_id)
    )


def conclude_batch(session: Session, batch_id: int, *, retry_at: datetime) -> None:
    """A request of the batch is done: accepted, refused if nobody was taken; waiting again if people are left to send."""
    left = sa.exists().where(col(Recipient.batch_id) == batch_id, col(Recipient.state) == RecipientState.PENDING)
    if changed(session, move_batch(BatchState.PLANNED, batches.c.id == batch_id, left, not_before=retry_at)):
        return
    held = sa.exists().where(col(Recipient.batch_id) == batch_id, col(Recipient.state) == RecipientState.HELD)
    if changed(session, move_batch(BatchState.HELD, batches.c.id == batch_id, held)):
        return
    taken = sa.exists().where(col(Recipient.batch_id) == batch_id, col(Recipient.gateway_id).is_not(None))
    if not changed(session, move_batch(BatchState.ACCEPTED, batches.c.id == batch_id, taken)):
        session.execute(move_batch(BatchState.REFUSED, batches.c.id == batch_id))


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


def split_batch(session: Session, batch_id: int, *, until: datetime, reason: str) -> int | None:
    """Cut a batch of pending people in two halves; the id of the new one. None: one person cannot be halved."""
    ids = list(
        session.exec(
            select(Recipient.id)
            .where(Recipient.batch_id == batch_id, Recipient.state == RecipientState.PENDING)
            .order_by(col(Recipient.id))
        )
    )
    if len(ids) < 2:
        return None
    run_id = session.exec(select(Batch.run_id).where(Batch.id == batch_id)).one()
    ordinal = session.exec(select(sa.func.max(Batch.ordinal)).where(Batch.run_id == run_id)).one() + 1
    second = ids[len(ids) // 2 :]
    half = Batch(
        run_id=run_id,
        ordinal=ordinal,
        state=BatchState.PLANNED,
        not_before=until,
        recipients=len(second),
        segments=0,
        reason=reason,
    )
    session.add(half)
    session.flush()
    session.execute(sa.update(Recipient).where(col(Recipient.id).in_(second)).values(batch_id=half.id))
    for id_ in (batch_id, half.id):
        totals = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(recipients.c.segments), 0)).where(
            recipients.c.batch_id == id_
        )
        count, segments = session.execute(totals).one()
        session.execute(sa.update(Batch).where(col(Batch.id) == id_).values(recipients=count, segments=segments))
    return half.id


def pause_account(session: Session, account_id: int, reason: str, *, now: datetime, probe_at: datetime | None) -> bool:
    """Nothing is sent through the account until it is resumed; None: only a person may. False: it is paused already."""
    statement = (
        sa.update(Account)
        .where(col(Account.id) == account_id, col(Account.paused_reason) == "")
        .values(paused_reason=reason, paused_at=now, next_probe_at=probe_at)
    )
    return bool(changed(session, statement))


def count_failure(session: Session, account_id: int) -> int:
    """One more request in a row that did not reach the gateway; how many by now."""
    statement = sa.update(Account).where(col(Account.id) == account_id).values(failures=Account.failures + 1)
    return int(session.scalars(statement.returning(col(Account.failures))).one())


def reset_failures(session: Session, account_id: int) -> None:
    """The gateway answered."""
    session.execute(
        sa.update(Account).where(col(Account.id) == account_id, col(Account.failures) > 0).values(failures=0)
    )


def may_still_send(session: Session, run_id: int) -> bool:
    """Whether neither the run nor its account was stopped since the intent."""
    query = (
        select(Run.id)
        .join(Account, col(Account.id) == col(Run.account_id))
        .where(Run.id == run_id, Run.state == RunState.RUNNING, Account.paused_reason == "")
    )
    return session.exec(query).first() is not None


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
        placements = [person.placed for person in people]
        add_groups(session, intent.run_id, intent.batch_id, placements, now=now, first_poll_at=first_poll_at)
        raise_floor(session, intent.account_id, max(p.gateway_id for p in placements))
    totals = {"recipients": len(rows), "segments": segments * len(rows)}
    session.execute(move_batch(BatchState.ACCEPTED, batches.c.id == intent.batch_id, **totals))


def hold_batch(session: Session, batch_id: int, reason: str) -> None:
    """A person has to decide on the whole batch: it went to a contact list, whose people nobody here knows."""
    session.execute(move_batch(BatchState.HELD, batches.c.id == batch_id, reason=reason))
