"""Receipts: which ones are still missing, and moving messages up by what the gateway shows."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

import orjson
import sqlalchemy as sa
from sqlmodel import Session

from campaigns.following.receipts import DELIVERED_WORTH, RANKS, RETRY_WEIGHT, counted_retries, worth
from campaigns.lifecycle import RecipientState
from worker.store.statements import Statement, rows_given
from worker.store.tables import attempts, groups, recipients, runs
from worker.store.transitions import move_recipients

ANSWERED: Final = "accepted"
"""The outcome of a request whose reply was read."""

OPEN = (RecipientState.ACCEPTED, RecipientState.SENT)


class Receipt(NamedTuple):
    """What the gateway shows of one message."""

    gateway_id: int
    state: RecipientState
    retries: int
    sent_at: datetime | None
    delivered_at: datetime | None
    device: int | None
    sim: int | None
    reason: str
    result_code: int | None = None  # Android's
    number: str = ""  # the recipient's, in the gateway's spelling


class MovedUp(NamedTuple):
    """A message that a receipt moved up."""

    state: RecipientState
    run_id: int
    device: int | None
    accepted_at: datetime | None
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Group:
    """A group of messages that is due to be looked at.

    `was_answered`: the gateway named it in its reply, and `accepted_at` is when; one that a look-up found is older.
    """

    id: int
    run_id: int
    group_id: str
    accepted_at: datetime
    messages: int
    polls: int
    was_answered: bool


def _was_answered(batch_id: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Whether all requests of the batch had a reply that named its messages."""
    of_batch = attempts.c.batch_id == batch_id
    return sa.and_(
        sa.exists().where(of_batch, attempts.c.outcome == ANSWERED),
        ~sa.exists().where(of_batch, attempts.c.outcome != ANSWERED),
    )


_GROUP: Final = (
    sa.select(
        groups.c.id,
        groups.c.run_id,
        groups.c.group_id,
        groups.c.accepted_at,
        groups.c.messages,
        groups.c.polls,
        _was_answered(groups.c.batch_id),
    )
    .join(runs, runs.c.id == groups.c.run_id)
    .order_by(groups.c.next_poll_at)
)
_DUE: Final = _GROUP.where(
    runs.c.account_id == sa.bindparam("b_account"), groups.c.next_poll_at <= sa.bindparam("b_now")
).limit(sa.bindparam("b_most", type_=sa.Integer))


def due_groups(
    session: Session, *, now: datetime, account_id: int, limit: int, only: Collection[int] | None = None
) -> list[Group]:
    """Return groups whose next poll is due, of the runs in `only`, the longest waiting first."""
    query = _DUE if only is None else _DUE.where(groups.c.run_id.in_(only))
    values = {"b_account": account_id, "b_now": now, "b_most": limit}
    return [Group(*row) for row in session.connection().execute(query, values)]


def accepted_parts(
    session: Session, account_id: int, since: datetime, until: datetime, *, messages: int
) -> list[tuple[datetime, int]]:
    """Split what the gateway accepted from `since` to `until` into parts of about `messages` messages.

    Returns for each part when its last request was accepted and how many messages it has, in order of time.
    """
    total = sa.func.sum(groups.c.messages).over(order_by=(groups.c.accepted_at, groups.c.id))
    counted = (
        sa.select(groups.c.accepted_at, groups.c.messages, ((total - 1) // messages).label("part"))
        .join(runs, runs.c.id == groups.c.run_id)
        .where(
            groups.c.accepted_at >= since,
            groups.c.accepted_at < until,
            runs.c.account_id == account_id,
        )
        .subquery()
    )
    last = sa.func.max(counted.c.accepted_at)
    parts = sa.select(last, sa.func.sum(counted.c.messages)).group_by(counted.c.part).order_by(last)
    return [(at, int(count)) for at, count in session.execute(parts)]


_own_worth = sa.case(
    *(
        (recipients.c.state == state, recipients.c.gateway_retries * RETRY_WEIGHT + rank)
        for state, rank in RANKS.items()
        if state is not RecipientState.DELIVERED
    ),
    # Delivered is final. A person who is pending, in doubt or held waits for another request of ours: a receipt of an
    # earlier message to the same person must not decide about that one.
    else_=DELIVERED_WORTH,
)


_SHOWN: Final[Mapping[str, sa.types.TypeEngine[Any]]] = {
    "gateway_id": recipients.c.gateway_id.type,
    "worth": sa.BigInteger(),
    **{
        name: recipients.c[name].type
        for name in ("gateway_retries", "sent_at", "delivered_at", "device", "sim", "reason", "result_code")
    },
    "tail": sa.Text(),
}
"""What a row of receipts shows, in this order."""


def _move_up(to: RecipientState, row: Mapping[str, sa.ColumnElement[Any]]) -> tuple[sa.Update, sa.ReturnsRows]:
    """Return the statement, and the one that also tells which messages moved."""
    mine = sa.select(runs.c.id).where(runs.c.account_id == sa.bindparam("b_account"))
    statement = move_recipients(
        to,
        recipients.c.gateway_id == row["gateway_id"],
        recipients.c.run_id.in_(mine),
        # A gateway that was set up again gives its ID to somebody else's message.
        recipients.c.number.endswith(row["tail"]),
        _own_worth < row["worth"],
        gateway_retries=row["gateway_retries"],
        sent_at=sa.func.coalesce(row["sent_at"], recipients.c.sent_at),
        delivered_at=row["delivered_at"],
        device=sa.func.coalesce(row["device"], recipients.c.device),
        sim=sa.func.coalesce(row["sim"], recipients.c.sim),
        reason=row["reason"],
        result_code=row["result_code"],
    )
    told = (recipients.c.run_id, recipients.c.device, recipients.c.accepted_at, recipients.c.delivered_at)
    return statement, statement.returning(*told)


TAIL: Final = 7
"""How many of the last digits are the same in all spellings of a number."""


def _tail(number: str) -> str:
    """Return what our own number must end in if the message is its; empty if the gateway shows no number."""
    if len(number) >= TAIL and (tail := number[-TAIL:]).isdigit() and tail.isascii():
        return tail
    digits = "".join(digit for digit in number if digit in "0123456789")
    return digits[-TAIL:] if len(digits) >= TAIL else ""


_MOVE_UP: Final = {
    dialect: {state: tuple(map(Statement, _move_up(state, row))) for state in RANKS}
    for dialect, row in rows_given(_SHOWN).items()
}
"""All receipts of one state in one statement: one statement per message held its locks for seconds, on PostgreSQL."""


def apply_receipts(
    session: Session, account_id: int, receipts: Sequence[Receipt], *, told: list[MovedUp] | None = None
) -> int:
    """Move messages up; return how many moved, and append them to `told`, which takes half as long again.

    Order and repetition do not count (`campaigns.following.receipts`).
    """
    connection = session.connection()
    as_stored = recipients.c.sent_at.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)

    @cache  # many messages share a second
    def moment(at: datetime | None) -> float | str | None:
        if at is None:
            return None
        stored = as_stored(at) if as_stored else at
        return stored if isinstance(stored, float) else str(stored)

    by_state: dict[RecipientState, dict[int, tuple[int, Receipt]]] = defaultdict(dict)
    for receipt in receipts:
        weight = worth(receipt.state, receipt.retries)
        # One statement moves a row once: of several receipts for a message, keep the one with the highest worth.
        if weight > by_state[receipt.state].get(receipt.gateway_id, (-1, receipt))[0]:
            by_state[receipt.state][receipt.gateway_id] = weight, receipt
    moved = 0
    for state, shown in by_state.items():
        rows = [
            (
                r.gateway_id,
                weight,
                counted_retries(r.retries),
                moment(r.sent_at),
                moment(r.delivered_at) if state is RecipientState.DELIVERED else None,
                r.device,
                r.sim,
                r.reason,
                r.result_code,
                _tail(r.number),
            )
            for weight, r in shown.values()
        ]
        values = {"b_rows": orjson.dumps(rows).decode(), "b_account": account_id}
        quiet, telling = _MOVE_UP[connection.dialect.name][state]
        if told is None:
            moved += quiet.changed(connection, values)
        else:
            changed = telling.rows(connection, values)
            told += [MovedUp(state, *row) for row in changed]
            moved += len(changed)
    return moved


_WAITING: Final = sa.and_(
    groups.c.batch_id == recipients.c.batch_id,  # by its index
    groups.c.id == recipients.c.message_group_id,
    recipients.c.state.in_(OPEN),
    recipients.c.gateway_id.is_not(None),
)
"""Which messages of a group still wait for a receipt."""


def open_ids(session: Session, *group_rows: int) -> list[int]:
    """Return gateway IDs of the messages in these groups (by row id) that still wait for a receipt."""
    query = sa.select(recipients.c.gateway_id).join(groups, _WAITING).where(groups.c.id.in_(group_rows))
    return list(session.scalars(query))


def open_groups(session: Session, group_rows: Collection[int]) -> set[int]:
    """Return those of the groups (by row id) that have a message still waiting for a receipt."""
    waits = sa.exists().where(_WAITING)
    return set(session.scalars(sa.select(groups.c.id).where(groups.c.id.in_(group_rows), waits)))


def accepted_at(session: Session, account_id: int, gateway_ids: Collection[int]) -> dict[int, tuple[datetime, bool]]:
    """When we knew of these messages, by gateway ID, and whether by a reply; of those that are the account's own."""
    query = (
        sa.select(recipients.c.gateway_id, recipients.c.accepted_at, _was_answered(recipients.c.batch_id))
        .join(runs, runs.c.id == recipients.c.run_id)
        .where(runs.c.account_id == account_id, recipients.c.gateway_id.in_(gateway_ids))
    )
    return {id_: (at, was_answered) for id_, at, was_answered in session.execute(query) if at is not None}


def schedule_poll(session: Session, schedule: Sequence[tuple[int, datetime | None]]) -> None:
    """Set when to poll each group (by row id) next; None: every message in it has reached its end."""
    if schedule:
        statement = (
            sa.update(groups)
            .where(groups.c.id == sa.bindparam("b_id"))
            .values(next_poll_at=sa.bindparam("b_at"), polls=groups.c.polls + 1)
        )
        session.connection().execute(statement, [{"b_id": id_, "b_at": at} for id_, at in schedule])


def poll_again(session: Session, batch_ids: Collection[int], *, at: datetime) -> None:
    """Poll the groups of these batches again from `at` on: the gateway itself continues with some of their messages."""
    ended = sa.update(groups).where(groups.c.batch_id.in_(sorted(batch_ids)), groups.c.next_poll_at.is_(None))
    session.execute(ended.values(next_poll_at=at))


def count_reads(session: Session, reads: Mapping[int, int]) -> None:
    """Add read requests (by run id) to the books."""
    for run_id, count in sorted(reads.items()):
        session.execute(sa.update(runs).where(runs.c.id == run_id).values(read_requests=runs.c.read_requests + count))
