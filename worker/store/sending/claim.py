"""The first step of a send: a batch that could go now is looked at, and then claimed for one request.

Statements of a send are built once: building one takes SQLAlchemy 0.18 ms, running it 0.03 ms (measured).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import PausedBy, RunType, WaitsFor
from campaigns.lifecycle import BatchState, RecipientState, RunState
from worker.store.locks import lock_for_intent
from worker.store.people import unsubscriptions
from worker.store.statements import Statement
from worker.store.tables import NOT_WAITING, accepted_before, accounts, batches, recipients, runs
from worker.store.transitions import move_batch

_batch: sa.BindParameter[int] = sa.bindparam("b_batch")


@dataclass(frozen=True, slots=True)
class Work:
    """A batch that could be sent now: by the clocks of `zones` (empty: the campaign's), from `moment` to `latest`.

    Its people's texts failed on `avoid_device`: another device is tried if there is one. `target` is the one device or
    SIM to send it by; empty: any of its campaign's.
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
    parent_id: int | None  # the run whose failed texts it resends
    in_doubt: int  # requests of its account whose outcome is unknown
    run_type: RunType
    run_moment: str
    has_before: bool  # `recover` found messages that belong to nobody yet
    campaign_id: int
    root_id: int | None  # the run that it is a step of
    previous_id: int | None
    unless: str | None  # the conditions of a step, as its run has them
    only_if: str | None


_to_send = (
    sa.select(
        recipients.c.batch_id,
        sa.func.count().label("recipients"),
        sa.func.sum(recipients.c.segments).label("segments"),
    )
    .where(recipients.c.batch_id == _batch, recipients.c.state == RecipientState.PENDING)
    .group_by(recipients.c.batch_id)
    .subquery()
)
_batch_mates = runs.alias("company")
"""The runs of other batches that are looked at beside this one."""

_in_doubt = (
    sa.select(sa.func.count())
    .select_from(batches)
    .join(_batch_mates, _batch_mates.c.id == batches.c.run_id)
    .where(_batch_mates.c.account_id == runs.c.account_id, batches.c.state == BatchState.UNKNOWN, NOT_WAITING)
    .correlate(runs)
    .scalar_subquery()
)

_has_before = sa.exists().where(accepted_before.c.account_id == runs.c.account_id).correlate(runs)
"""True if `recover` found messages that belong to nobody yet; on a table that is mostly empty this costs nothing."""

LOAD_WORK: Final = Statement(
    sa.select(
        batches.c.id,
        batches.c.run_id,
        runs.c.account_id,
        runs.c.definition_id,
        batches.c.ordinal,
        batches.c.attempt,
        sa.func.coalesce(_to_send.c.recipients, 0),
        sa.func.coalesce(_to_send.c.segments, batches.c.segments),
        batches.c.list_id,
        batches.c.zones,
        batches.c.moment,
        batches.c.latest,
        batches.c.avoid_device,
        batches.c.target,
        runs.c.parent_id,
        _in_doubt,
        runs.c.type,
        runs.c.moment,
        _has_before,
        runs.c.campaign_id,
        runs.c.root_id,
        runs.c.previous_id,
        runs.c.unless,
        runs.c.only_if,
    )
    .join(runs, runs.c.id == batches.c.run_id)
    .outerjoin(_to_send, _to_send.c.batch_id == batches.c.id)
    .where(
        batches.c.id == _batch,
        # Up to 256 jobs are left in the queue when a budget is spent: each would ask, and put the whole run off again.
        sa.or_(
            batches.c.state == BatchState.QUEUED,
            sa.and_(batches.c.state == BatchState.PLANNED, batches.c.waits_for != WaitsFor.BUDGET),
        ),
        runs.c.state == RunState.RUNNING,
    )
)


def load_work(database: Session | sa.Connection, batch_id: int) -> Work | None:
    """Return the batch and what it would cost in segments; None if there is nothing to do for it."""
    connection = database.connection() if isinstance(database, Session) else database
    row = LOAD_WORK.first(connection, {"b_batch": batch_id})
    return None if row is None else Work(*row)


class NoIntent(StrEnum):
    """Why no request may be made for a batch now."""

    NOT_DUE = "not_due"  # taken by another process, sent, cancelled; or the run or the account does not send
    ALL_IN_DOUBT = "all_in_doubt"  # comes back later
    NOTHING_LEFT = "nothing_left"
    OVER_CAP = "over_cap"  # somebody just reached the frequency cap: comes back soon, without the people who reached it
    OVER_PEOPLE = "over_people"  # the month's people of its phone were just used up: comes back soon, by another one
    OVER_BUDGET = "over_budget"  # money was spent a moment ago: comes back soon, and finds out how much is left
    NO_PRICE = "no_price"  # a budget of money is in force, and somebody in it has no price
    LIST_NOT_READY = "list_not_ready"  # people who opted out must first be taken off the contact list: comes back soon
    LIST_STUCK = "list_stuck"  # people who opted out cannot be taken off it: a person must look
    LIST_SENT = "list_sent"  # the contact list may already have got the text: a person must look


COME_BACK: Final[Mapping[NoIntent, WaitsFor]] = {
    NoIntent.ALL_IN_DOUBT: WaitsFor.NUMBER,
    NoIntent.OVER_CAP: WaitsFor.CAP_PASSED,
    NoIntent.OVER_PEOPLE: WaitsFor.BUDGET,
    NoIntent.OVER_BUDGET: WaitsFor.BUDGET,
    NoIntent.NO_PRICE: WaitsFor.PRICE,
    NoIntent.LIST_NOT_READY: WaitsFor.OPT_OUTS,
}
"""What passes on its own within seconds, and what the batch waits for meanwhile."""

UNDONE: Final = frozenset(
    {
        NoIntent.NOT_DUE,
        NoIntent.ALL_IN_DOUBT,
        NoIntent.OVER_CAP,
        NoIntent.OVER_PEOPLE,
        NoIntent.OVER_BUDGET,
        NoIntent.NO_PRICE,
    }
)
"""What undoes the transaction of the intent."""

ACCOUNT_SENDS: Final = accounts.c.paused_by == PausedBy.NOBODY
"""Checked when a batch is claimed, and once more before the first byte of its request."""

_is_under_way = sa.or_(batches.c.state == BatchState.SENDING, batches.c.state == BatchState.UNKNOWN)
"""Spelt out instead of IN, which SQLAlchemy renders again at each execution."""

_UNDER_WAY: Final = Statement(
    sa.select(
        sa.func.count().label("requests"),
        sa.func.count(batches.c.list_id).label("lists"),
    )
    .select_from(batches)
    .join(runs, runs.c.id == batches.c.run_id)
    .where(runs.c.account_id == sa.bindparam("b_account"), _is_under_way, NOT_WAITING)
)

_list_is_under_way = (
    sa.select(batches.c.id)
    .join(_batch_mates, _batch_mates.c.id == batches.c.run_id)
    .where(
        _batch_mates.c.account_id == sa.bindparam("b_account"),
        batches.c.list_id.is_not(None),
        _is_under_way,
        NOT_WAITING,
    )
    .correlate(None)
    .exists()
)

TAKE_BATCH: Final = Statement(
    move_batch(
        BatchState.SENDING,
        batches.c.id == _batch,
        sa.exists().where(
            runs.c.id == batches.c.run_id,
            runs.c.state == RunState.RUNNING,
            accounts.c.id == runs.c.account_id,
            ACCOUNT_SENDS,
        ),
        ~_list_is_under_way,
        attempt=batches.c.attempt + 1,
        reason="",
    ).returning(
        batches.c.attempt,
        # Asked once more here: `recover` may have ended between the look at the batch and its claim.
        sa.exists().where(accepted_before.c.account_id == sa.bindparam("b_account")).correlate(None),
    )
)


class Claim(NamedTuple):
    """A batch that is `sending`: the number of its request, and whether `recover` found messages that nobody has."""

    number: int
    has_before: bool


def claim_batch(session: Session, work: Work, *, now: datetime) -> Claim | NoIntent:
    """Claim the batch for one request, under the locks that its intent is made under; or return why not."""
    connection = session.connection()
    lock_for_intent(connection, work.run_id, work.account_id, is_alone=work.list_id is not None)
    if work.list_id is not None:
        if not _may_go_in_company(connection, work):
            return NoIntent.ALL_IN_DOUBT
        left = unsubscriptions.outstanding(session, work.run_id, work.account_id, work.list_id, now=now)
        if left is not None:
            return _not_ready(session, work, left)
    taken = TAKE_BATCH.first(connection, {"b_batch": work.batch_id, "b_account": work.account_id})
    if taken is None:
        return NoIntent.NOT_DUE if _may_go_in_company(connection, work) else NoIntent.ALL_IN_DOUBT
    return Claim(*taken)


def _may_go_in_company(connection: sa.Connection, work: Work) -> bool:
    """Return whether the other requests of the account allow this one: one to a contact list goes alone.

    Its people are known only from its messages: no other message of the account may be unaccounted for meanwhile.
    """
    [(requests, lists)] = _UNDER_WAY.rows(connection, {"b_account": work.account_id})
    return not (lists or (work.list_id is not None and requests))


def _not_ready(session: Session, work: Work, left: unsubscriptions.Outstanding) -> NoIntent:
    if not left.stuck:
        return NoIntent.LIST_NOT_READY
    session.execute(move_batch(BatchState.HELD, batches.c.id == work.batch_id, reason=str(left)))
    return NoIntent.LIST_STUCK
