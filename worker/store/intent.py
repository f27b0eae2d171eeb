"""The first transaction of a send: the intent, before the request. `outcome` has the second."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from operator import itemgetter
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.capping import Cap
from campaigns.codes import RunType, WaitsFor
from campaigns.lifecycle import BatchState
from worker.store import accepted_before, claim, unsubscriptions
from worker.store.capping import is_passed
from worker.store.moves import move_batch
from worker.store.suppressions import lower_totals
from worker.store.tables import batches


@dataclass(frozen=True, slots=True)
class Work:
    """A batch that could be sent now: by the clocks of `zones` (empty: the campaign's), from `moment` to `latest`.

    Its people's texts failed on `avoid_device`: another one is tried where there is one. `target` is the one device or
    SIM that it goes by; empty: any of its campaign's.
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
    target: str
    parent_id: int | None  # the run whose failed texts it sends again
    in_doubt: int  # requests of its account whose outcome nobody knows
    run_type: RunType
    run_moment: str
    has_before: bool  # `recover` found messages that nobody has yet


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
    id_floor: int = 0


@dataclass(frozen=True, slots=True)
class Earlier:
    """What makes a message that `recover` found one of a batch: its date (None: any), and the text of a contact list.

    Receipts of such messages are read `first_poll_in` later.
    """

    since: datetime | None = None
    list_text: str = ""
    first_poll_in: timedelta = timedelta(0)


ANY_TIME: Final = Earlier()


class NoIntent(StrEnum):
    """Why no request may be made for a batch now."""

    NOT_DUE = "not_due"  # taken by somebody else, sent, cancelled; or the run or the account does not send
    ALL_IN_DOUBT = "all_in_doubt"  # comes back later
    NOTHING_LEFT = "nothing_left"
    OVER_CAP = "over_cap"  # somebody reached the frequency cap just now: comes back soon, without those who reached it
    LIST_NOT_READY = "list_not_ready"  # people who opted out are taken off the contact list first: comes back soon
    LIST_STUCK = "list_stuck"  # people who opted out cannot be taken off it: a person has to look
    LIST_SENT = "list_sent"  # the contact list may have got the text before: a person has to look


COME_BACK: Final[Mapping[NoIntent, WaitsFor]] = {
    NoIntent.ALL_IN_DOUBT: WaitsFor.NUMBER,
    NoIntent.OVER_CAP: WaitsFor.CAP_PASSED,
    NoIntent.LIST_NOT_READY: WaitsFor.OPT_OUTS,
}
"""What passes by itself, in seconds, and what the batch waits for meanwhile."""


def load_work(session: Session, batch_id: int) -> Work | None:
    """The batch and what it would cost in segments; None: there is nothing to do for it."""
    row = session.connection().execute(claim.LOAD_WORK, {"b_batch": batch_id}).first()
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
    earlier: Earlier = ANY_TIME,
) -> Intent | NoIntent:
    """Promise one request: the batch is `sending`, its people are `in_doubt`, the attempt is on record.

    `granted_at` is the throttle's moment, on its clock: limits are rebuilt by it. A recipient whose number is in doubt
    in another request is left out and comes back later; whoever has opted out by now is suppressed; who got the text
    before a database was lost is accepted (`earlier`); where somebody is over the `cap`, there is no intent. Raises
    `sqlalchemy.exc.IntegrityError` when another transaction put one of the numbers in doubt at this very moment.
    """
    connection = session.connection()
    _lock(connection, work)
    if work.list_id is not None:
        if not _may_go_in_company(connection, work):
            return NoIntent.ALL_IN_DOUBT
        left = unsubscriptions.outstanding(session, work.run_id, work.account_id, work.list_id, now=now)
        if left is not None:
            return _not_ready(session, work, left)
    taken = connection.execute(claim.TAKE_BATCH, {"b_batch": work.batch_id, "b_account": work.account_id}).first()
    if taken is None:
        return NoIntent.NOT_DUE if _may_go_in_company(connection, work) else NoIntent.ALL_IN_DOUBT
    number, has_before = taken
    addressees: tuple[Addressee, ...] = ()
    ids = work.batch_id, work.account_id
    if work.list_id is not None:
        if has_before and accepted_before.hold_list(session, *ids, earlier.list_text, earlier.since):
            return NoIntent.LIST_SENT
    else:
        taken_out = connection.execute(claim.TAKE_OUT, {"b_batch": work.batch_id}).rowcount
        if work.parent_id is not None:
            left_out = {"b_batch": work.batch_id, "b_parent": work.parent_id}
            taken_out += connection.execute(claim.LEAVE_OUT, left_out).rowcount
        if taken_out:
            lower_totals(session, batches.c.id == work.batch_id)
        if has_before:
            first_poll_at = now + earlier.first_poll_in
            taken_out += accepted_before.settle_batch(
                session, *ids, earlier.since, now=now, first_poll_at=first_poll_at
            )
        rows = connection.execute(claim.PROMISE, {"b_batch": work.batch_id}).all()
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
    attempt_id, floor = connection.execute(claim.OPEN_ATTEMPT, values).one()
    return Intent(
        attempt_id, work.batch_id, work.run_id, work.account_id, number, deadline, addressees, work.list_id, floor
    )


def _not_ready(session: Session, work: Work, left: unsubscriptions.Outstanding) -> NoIntent:
    if not left.stuck:
        return NoIntent.LIST_NOT_READY
    session.execute(move_batch(BatchState.HELD, batches.c.id == work.batch_id, reason=str(left)))
    return NoIntent.LIST_STUCK


def _lock(connection: sa.Connection, work: Work) -> None:
    """The run, then the requests of the account. On SQLite the transaction has all of the database from its begin."""
    if connection.dialect.name == "sqlite":
        return
    ids = {"b_run": work.run_id, "b_account": work.account_id}
    if work.list_id is None:
        connection.execute(claim.LOCK_RUN_AND_SHARE, ids)
    else:
        connection.execute(claim.LOCK_RUN, {"b_run": work.run_id})
        connection.execute(claim.LOCK_EXCLUSIVE, {"b_account": work.account_id})


def _may_go_in_company(connection: sa.Connection, work: Work) -> bool:
    """Whether the other requests of the account allow this one: one to a contact list goes alone.

    Its people are known from its messages alone: no other message of the account may be unaccounted for meanwhile.
    """
    under_way = connection.execute(claim.UNDER_WAY, {"b_account": work.account_id}).one()
    return not (under_way.lists or (work.list_id is not None and under_way.requests))


def payload_hash(addressees: Sequence[Addressee]) -> str:
    """What exactly was to be sent, without keeping it twice."""
    digest = sha256()
    for addressee in addressees:
        digest.update(f"{addressee.number}\0{addressee.text}\0".encode())
    return digest.hexdigest()


def may_still_send(session: Session, intent: Intent) -> bool:
    """Whether neither the run nor its account was stopped since the intent, and nobody took its attempt for dead."""
    ids = {"b_run": intent.run_id, "b_attempt": intent.attempt_id}
    return session.connection().execute(claim.MAY_STILL_SEND, ids).first() is not None
