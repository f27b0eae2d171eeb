"""Receipts: what is waited for, and moving messages up by what the gateway shows."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from campaigns.lifecycle import RecipientState
from campaigns.receipts import DELIVERED_WORTH, RANKS, RETRY_WEIGHT, counted_retries, worth
from worker.store.models import MessageGroup, Recipient, Run
from worker.store.moves import move_recipients, recipients

OPEN = (RecipientState.ACCEPTED, RecipientState.SENT)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the gateway shows of one message."""

    gateway_id: int
    state: RecipientState
    retries: int
    sent_at: datetime | None
    delivered_at: datetime | None
    device: int | None
    sim: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Group:
    """A group of messages that is due to be looked at."""

    id: int
    run_id: int
    group_id: str
    accepted_at: datetime
    messages: int
    polls: int


def due_groups(
    session: Session, *, now: datetime, account_id: int, limit: int, only: Collection[int] | None = None
) -> list[Group]:
    """Groups whose next poll is due, of the runs in `only`, the longest waiting first."""
    query = (
        select(  # type: ignore[call-overload]  # more columns than SQLModel types
            MessageGroup.id,
            MessageGroup.run_id,
            MessageGroup.group_id,
            MessageGroup.accepted_at,
            MessageGroup.messages,
            MessageGroup.polls,
        )
        .join(Run, col(Run.id) == col(MessageGroup.run_id))
        .where(Run.account_id == account_id, col(MessageGroup.next_poll_at) <= now)
        .order_by(col(MessageGroup.next_poll_at))
        .limit(limit)
    )
    if only is not None:
        query = query.where(col(MessageGroup.run_id).in_(only))
    return [Group(*row) for row in session.exec(query)]


_own_worth = sa.case(
    *(
        (recipients.c.state == state, recipients.c.retries * RETRY_WEIGHT + rank)
        for state, rank in RANKS.items()
        if state is not RecipientState.DELIVERED
    ),
    # Delivered is final. Whoever is pending, in doubt or held waits for a request of ours: a receipt of an earlier
    # message to the same person must not decide about that one.
    else_=DELIVERED_WORTH,
)


def apply_receipts(session: Session, account_id: int, receipts: Sequence[Receipt]) -> int:
    """Move messages up; how many changed. Order and repetition do not matter (`campaigns.receipts`)."""
    by_state: dict[RecipientState, list[Receipt]] = defaultdict(list)
    for receipt in receipts:
        by_state[receipt.state].append(receipt)
    mine = sa.select(col(Run.id)).where(col(Run.account_id) == account_id)
    moved = 0
    for state, batch in by_state.items():
        statement = (
            move_recipients(state, recipients.c.gateway_id == sa.bindparam("b_gateway_id"))
            .where(recipients.c.run_id.in_(mine), _own_worth < sa.bindparam("b_worth"))
            .values(
                retries=sa.bindparam("b_retries"),
                sent_at=sa.func.coalesce(
                    sa.bindparam("b_sent_at", type_=recipients.c.sent_at.type), recipients.c.sent_at
                ),
                delivered_at=sa.bindparam("b_delivered_at", type_=recipients.c.delivered_at.type),
                device=sa.func.coalesce(sa.bindparam("b_device", type_=sa.Integer), recipients.c.device),
                sim=sa.func.coalesce(sa.bindparam("b_sim", type_=sa.Integer), recipients.c.sim),
                reason=sa.bindparam("b_reason"),
            )
        )
        result = session.connection().execute(
            statement,
            [
                {
                    "b_gateway_id": r.gateway_id,
                    "b_worth": worth(r.state, r.retries),
                    "b_retries": counted_retries(r.retries),
                    "b_sent_at": r.sent_at,
                    "b_delivered_at": r.delivered_at if state is RecipientState.DELIVERED else None,
                    "b_device": r.device,
                    "b_sim": r.sim,
                    "b_reason": r.reason,
                }
                for r in batch
            ],
        )
        moved += max(0, result.rowcount)
    return moved


def open_ids(session: Session, run_id: int, group_ids: Collection[str]) -> list[tuple[str, int]]:
    """(group, gateway ID) of messages of these groups that still wait for a receipt."""
    query = (
        select(sa.func.coalesce(Recipient.group_id, ""), Recipient.gateway_id)
        .join(
            MessageGroup,
            sa.and_(
                col(MessageGroup.run_id) == col(Recipient.run_id), col(MessageGroup.batch_id) == col(Recipient.batch_id)
            ),
        )
        .where(
            MessageGroup.run_id == run_id,
            col(MessageGroup.group_id).in_(list(group_ids)),
            sa.func.coalesce(Recipient.group_id, "") == MessageGroup.group_id,
            col(Recipient.state).in_(OPEN),
        )
    )
    return [(group, id_) for group, id_ in session.exec(query) if id_ is not None]


def schedule_poll(session: Session, schedule: Sequence[tuple[int, datetime | None]]) -> None:
    """Set when each group (by row id) is looked at next; None: every message of it has its end."""
    if schedule:
        statement = (
            sa.update(MessageGroup)
            .where(col(MessageGroup.id) == sa.bindparam("b_id"))
            .values(next_poll_at=sa.bindparam("b_at"), polls=MessageGroup.polls + 1)
        )
        session.connection().execute(statement, [{"b_id": id_, "b_at": at} for id_, at in schedule])


def count_reads(session: Session, run_ids: Collection[int], reads: int) -> None:
    """Add read requests to the books of the runs they were made for: the first of them pays for a shared read."""
    if reads and run_ids:
        session.execute(
            sa.update(Run).where(col(Run.id) == min(run_ids)).values(read_requests=Run.read_requests + reads)
        )
