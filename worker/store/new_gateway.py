"""A gateway that was set up anew: its IDs begin again, and nothing that it shows is a message of the one before.

The IDs of the one before are moved below zero, in their order: they are kept, and equal to none that it will give.
"""

from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from campaigns.lifecycle import RecipientState
from campaigns.verdicts import Verdict
from worker.store import accounts, notices
from worker.store.doubts import WATCHED_FOR
from worker.store.events import EventName, record_event
from worker.store.models import Account, Attempt, AttemptState, Batch, Recipient, Run
from worker.store.outcome import close_attempt, conclude_batch, hold_batch, hold_in_doubt
from worker.store.tables import accepted_before, attempts, groups, recipients, replies, retries

HELD: Final = "the gateway was set up anew before it could be asked whether it was sent"
DROPPED: Final = "the gateway was set up anew"


def under_way(session: Session, account_id: int) -> int:
    """How many requests of the account wait for their reply."""
    query = select(sa.func.count()).select_from(Attempt).join(Run, col(Run.id) == col(Attempt.run_id))
    return session.exec(query.where(Run.account_id == account_id, Attempt.state == AttemptState.OPEN)).one()


def take_new_gateway(session: Session, account_id: int, *, now: datetime) -> int:
    """Begin again with the gateway as it is now; how many requests in doubt are held for a person. No one is open.

    What was in doubt is held: the new gateway cannot show it, and would be believed that it never came. What it took
    since it was set up is told by its IDs, which are not above those that were seen before their requests.
    """
    held = _hold_doubts(session, account_id, now)
    mine = sa.select(col(Run.id)).where(col(Run.account_id) == account_id)
    first_floor = (
        sa.select(sa.func.min(attempts.c.id_floor))
        .where(attempts.c.batch_id == recipients.c.batch_id)
        .scalar_subquery()
    )
    is_old = sa.or_(first_floor.is_(None), recipients.c.gateway_id > first_floor)
    by = session.execute(sa.select(_above_all(account_id))).scalar_one() + 1
    for table, where in (
        (recipients, sa.and_(recipients.c.run_id.in_(mine), is_old)),
        (retries, retries.c.run_id.in_(mine)),
        (replies, replies.c.account_id == account_id),
        (accepted_before, accepted_before.c.account_id == account_id),
    ):
        session.execute(
            sa.update(table)
            .where(table.c.gateway_id.is_not(None), where)
            .values(gateway_id=table.c.gateway_id - by)
            .execution_options(synchronize_session=False)
        )
    is_new = sa.exists().where(recipients.c.batch_id == groups.c.batch_id, recipients.c.gateway_id > 0)
    session.execute(sa.update(groups).where(groups.c.run_id.in_(mine), ~is_new).values(next_poll_at=None))
    of_mine = retries.c.run_id.in_(mine)
    session.execute(sa.update(retries).where(of_mine).values(next_look_at=None))
    waiting = sa.update(retries).where(of_mine, retries.c.due_at.is_not(None))
    session.execute(waiting.values(due_at=None, dropped=DROPPED))
    session.execute(sa.update(attempts).where(attempts.c.run_id.in_(mine)).values(id_floor=0))
    watched = sa.update(attempts).where(attempts.c.run_id.in_(mine), attempts.c.outcome == Verdict.MISSED.value)
    session.execute(watched.values(next_check_at=now + 10 * WATCHED_FOR))
    newest = sa.select(sa.func.coalesce(sa.func.max(recipients.c.gateway_id), 0)).where(recipients.c.run_id.in_(mine))
    floor = max(0, session.execute(newest).scalar_one())
    values = {"highest_gateway_id": floor, "met_at": None, "witness_id": None, "witness_at": None, "received_id": 0}
    session.execute(sa.update(Account).where(col(Account.id) == account_id).values(values))
    accounts.resume_account(session, account_id)
    record_event(
        session, EventName.ACCOUNT_NEW_GATEWAY, now, detail={"account": account_id, "moved_by": by, "held": held}
    )
    return held


def _above_all(account_id: int) -> sa.ColumnElement[int]:
    mine = sa.select(col(Run.id)).where(col(Run.account_id) == account_id)
    tops: tuple[sa.Select[Any], ...] = (
        sa.select(col(Account.highest_gateway_id).label("top")).where(col(Account.id) == account_id),
        sa.select(sa.func.max(recipients.c.gateway_id)).where(recipients.c.run_id.in_(mine)),
        sa.select(sa.func.max(retries.c.gateway_id)).where(retries.c.run_id.in_(mine)),
        sa.select(sa.func.max(replies.c.gateway_id)).where(replies.c.account_id == account_id),
        sa.select(sa.func.max(accepted_before.c.gateway_id)).where(accepted_before.c.account_id == account_id),
    )
    every = sa.union_all(*tops).subquery()
    return sa.select(sa.func.coalesce(sa.func.max(every.c.top), 0)).scalar_subquery()


def _hold_doubts(session: Session, account_id: int, now: datetime) -> int:
    doubts = session.execute(
        sa.select(
            col(Attempt.id), col(Attempt.batch_id), col(Attempt.run_id), col(Attempt.evidence), col(Batch.list_id)
        )
        .join(Run, col(Run.id) == col(Attempt.run_id))
        .join(Batch, col(Batch.id) == col(Attempt.batch_id))
        .where(col(Run.account_id) == account_id, col(Attempt.state) == AttemptState.UNKNOWN)
    ).all()
    for attempt_id, batch_id, run_id, evidence, list_id in doubts:
        close_attempt(session, attempt_id, outcome=Verdict.HOLD.value, evidence=evidence, now=now)
        if list_id is not None:
            hold_batch(session, batch_id, HELD)
        else:
            in_doubt = select(Recipient.id).where(
                Recipient.batch_id == batch_id, Recipient.state == RecipientState.IN_DOUBT
            )
            hold_in_doubt(session, list(session.exec(in_doubt)), HELD)
            conclude_batch(session, batch_id, retry_at=now + timedelta(seconds=1))
        notices.announce_held(session, run_id, now=now)
    return len(doubts)
