"""The second step of a send: its people are promised to the database before the request. `outcome` has the next one.

Claim and intent are one transaction. The statements are built once, like those of the claim.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import OPTED_OUT
from campaigns.lifecycle import RecipientState, RunState
from campaigns.planning.frequency_cap import Cap
from worker.store.following.standing import may_have_text
from worker.store.models import AttemptState
from worker.store.money import charges
from worker.store.money.charges import ChargedText
from worker.store.money.spending import Bill, spend
from worker.store.people import step_conditions
from worker.store.people.batches_left import lower_totals
from worker.store.people.device_people import PeopleLimit, device_key, take
from worker.store.sending import accepted_before
from worker.store.sending.claim import ACCOUNT_SENDS, NoIntent, Work, claim_batch
from worker.store.sending.frequency_caps import is_passed
from worker.store.statements import Statement
from worker.store.tables import accounts, attempts, batches, recipients, runs, suppressions
from worker.store.transitions import move_recipients

_batch: sa.BindParameter[int] = sa.bindparam("b_batch")
_pending = recipients.c.state == RecipientState.PENDING


class Addressee(NamedTuple):
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
    bill: Bill | None = None


@dataclass(frozen=True, slots=True)
class FoundMatch:
    """What makes a message found by `recover` match a batch: its date (None: any), and for a contact list the text.

    Receipts of such messages are read `first_poll_in` later.
    """

    since: datetime | None = None
    list_text: str = ""
    first_poll_in: timedelta = timedelta(0)


ANY_TIME: Final = FoundMatch()

_is_opted_out = sa.exists().where(
    suppressions.c.number == recipients.c.number,
    suppressions.c.ended_at.is_(None),
    runs.c.id == recipients.c.run_id,
    sa.or_(suppressions.c.kind == "", suppressions.c.kind == runs.c.kind),
)
"""The last look at the list of suppressions, in the transaction of the intent: numbers now on it get nothing."""

TAKE_OUT: Final = Statement(
    move_recipients(
        RecipientState.SUPPRESSED, recipients.c.batch_id == _batch, _pending, _is_opted_out, reason=OPTED_OUT
    )
)

_earlier = recipients.alias()
_chain = runs.alias()
LEAVE_OUT: Final = Statement(
    move_recipients(
        RecipientState.CANCELLED,
        recipients.c.batch_id == _batch,
        _pending,
        sa.exists().where(
            _earlier.c.number == recipients.c.number,
            _earlier.c.slot == recipients.c.slot,
            _earlier.c.run_id == _chain.c.id,
            _earlier.c.run_id < recipients.c.run_id,
            sa.or_(_chain.c.id == sa.bindparam("b_parent"), _chain.c.parent_id == sa.bindparam("b_parent")),
            may_have_text(_earlier),
        ),
        is_superseded=True,
        reason="the text that had failed was sent after all",
    )
)
"""The last look at failed texts, in the transaction of the intent that resends them: all must still be failed. A row
that was never sent, such as the second one of a number, is none of them."""

_other = recipients.alias("other")
_is_in_doubt: sa.ColumnElement[bool] = sa.literal_column("other.state = 'in_doubt'")
"""Word for word as in the index on numbers in doubt: otherwise PostgreSQL does not use it for a prepared statement."""

PROMISE: Final = Statement(
    move_recipients(
        RecipientState.IN_DOUBT,
        recipients.c.batch_id == _batch,
        _pending,
        recipients.c.number.not_in(sa.select(_other.c.number).where(_is_in_doubt)),
        ~_is_opted_out,
        attempts=recipients.c.attempts + 1,
    ).returning(recipients.c.id, recipients.c.number, recipients.c.text, recipients.c.segments)
)

OPEN_ATTEMPT: Final = Statement(
    sa.insert(attempts)
    .values(
        state=AttemptState.OPEN,
        outcome="",
        evidence={},
        checks=0,
        id_floor=sa.select(accounts.c.highest_gateway_id)
        .where(accounts.c.id == sa.bindparam("b_account"))
        .scalar_subquery(),
        **{
            name: sa.bindparam(f"b_{name}", type_=attempts.c[name].type)
            for name in (
                "run_id",
                "batch_id",
                "number",
                "started_at",
                "send_by",
                "payload_hash",
                "target",
                "recipients",
                "segments",
                "granted_at",
                "next_check_at",
            )
        },
    )
    .returning(attempts.c.id, attempts.c.id_floor)
)


def record_intent(
    session: Session,
    work: Work,
    *,
    target: str,
    now: datetime,
    send_by: timedelta,
    granted_at: datetime | None = None,
    cap: Cap | None = None,
    people: PeopleLimit | None = None,
    earlier: FoundMatch = ANY_TIME,
    bill: Bill | None = None,
) -> Intent | NoIntent:
    """Promise one request: the batch is `sending`, its people are `in_doubt`, the attempt is on record.

    `granted_at` is the throttle's moment, on its clock: limits are rebuilt from it. A recipient whose number is in
    doubt in another request is left out and comes back later; people who have opted out by now are suppressed, and
    those whom a step is not for by now are excluded; people who got the text before a database was lost are accepted
    (`earlier`); if somebody is over the `cap`, or the phone over its budget of `people`, there is no intent. With a
    `bill` its texts are charged: there is no intent without room in every budget, or, where there is a budget, without
    a price for everybody. Raises `sqlalchemy.exc.IntegrityError` if another transaction puts one of the numbers in
    doubt at this very moment, and on PostgreSQL `OperationalError` if a receipt of the text before a step is stored.
    """
    connection = session.connection()
    claim = claim_batch(session, work, now=now)
    if isinstance(claim, NoIntent):
        return claim
    addressees: tuple[Addressee, ...] = ()
    texts: list[ChargedText] = []
    ids = work.batch_id, work.account_id
    if work.list_id is not None:
        if bill is not None and bill.limits:
            return NoIntent.NO_PRICE  # only the gateway knows how many people that is
        if claim.has_before and accepted_before.hold_list(session, *ids, earlier.list_text, earlier.since):
            return NoIntent.LIST_SENT
    else:
        batch = {"b_batch": work.batch_id}
        taken_out = 0
        if work.parent_id is not None:
            taken_out += LEAVE_OUT.changed(connection, {**batch, "b_parent": work.parent_id})
        if claim.has_before:
            taken_out += TAKE_OUT.changed(connection, batch)
            first_poll_at = now + earlier.first_poll_in
            taken_out += accepted_before.settle_batch(
                session, *ids, earlier.since, now=now, first_poll_at=first_poll_at
            )
        if work.root_id is not None and work.previous_id is not None:
            its = work.root_id, work.previous_id, work.unless, work.only_if
            taken_out += step_conditions.leave_out(connection, work.batch_id, *its)
        rows = PROMISE.rows(connection, batch)
        if len(rows) + taken_out < work.recipients:
            taken_out += TAKE_OUT.changed(connection, batch)
        if taken_out:
            lower_totals(session, batches.c.id == work.batch_id)
        addressees = tuple(map(Addressee._make, sorted(rows)))
        if not addressees:
            return NoIntent.ALL_IN_DOUBT if work.recipients > taken_out else NoIntent.NOTHING_LEFT
        # After the promise, not before: a text that was in doubt elsewhere a moment ago may be accepted by now.
        if cap is not None and is_passed(session, work.batch_id, work.account_id, cap, now=now):
            return NoIntent.OVER_CAP
    if people is not None:
        # Late, because the requests of a phone wait for each other from here to the commit.
        device = device_key(target.split(",") if target else ())
        if now >= people.until or not take(connection, work.account_id, device, work.batch_id, people):
            return NoIntent.OVER_PEOPLE
    # Last of what decides: from here to the commit, others who spend from the same budgets wait for this.
    if bill is not None and addressees:
        texts = charges.priced(bill, ((each.id, each.number, each.segments) for each in addressees))
        if bill.limits and any(text.price is None for text in texts):
            return NoIntent.NO_PRICE
        if not spend(session, bill, sum(text.segments * (text.price or 0) for text in texts), now=now):
            return NoIntent.OVER_BUDGET
    deadline = now + send_by
    values = {
        "b_account": work.account_id,
        "b_run_id": work.run_id,
        "b_batch_id": work.batch_id,
        "b_number": claim.number,
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
    [(attempt_id, floor)] = OPEN_ATTEMPT.rows(connection, values)
    if texts:
        charges.record(connection, attempt_id, work.run_id, texts)
    about = work.batch_id, work.run_id, work.account_id, claim.number, deadline
    return Intent(attempt_id, *about, addressees, work.list_id, floor, bill)


def payload_hash(addressees: Sequence[Addressee]) -> str:
    """Return a hash of what exactly was to be sent, so as not to keep it twice."""
    digest = sha256()
    for addressee in addressees:
        digest.update(f"{addressee.number}\0{addressee.text}\0".encode())
    return digest.hexdigest()


MAY_STILL_SEND: Final = Statement(
    sa.select(runs.c.id)
    .join(accounts, accounts.c.id == runs.c.account_id)
    .join(attempts, attempts.c.run_id == runs.c.id)
    .where(
        runs.c.id == sa.bindparam("b_run"),
        runs.c.state == RunState.RUNNING,
        ACCOUNT_SENDS,
        attempts.c.id == sa.bindparam("b_attempt"),
        attempts.c.state == AttemptState.OPEN,
    )
)


def may_still_send(connection: sa.Connection, intent: Intent) -> bool:
    """Return whether neither run nor account was stopped since the intent, and its attempt was not taken for dead."""
    ids = {"b_run": intent.run_id, "b_attempt": intent.attempt_id}
    return MAY_STILL_SEND.first(connection, ids) is not None
