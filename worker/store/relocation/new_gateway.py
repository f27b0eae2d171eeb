"""A gateway that was set up again: its IDs start again, and nothing that it shows is a message of the old one.

The old gateway's IDs are moved below zero, in order: they are kept, and equal none that the new one will give.
"""

from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import RecipientState
from campaigns.protocol.verdicts import Verdict
from worker.store.events import EventName, record_event
from worker.store.models import AttemptState
from worker.store.notifications import outbox
from worker.store.sending.accounts import resume_account
from worker.store.sending.doubts import WATCHED_FOR
from worker.store.sending.outcome import close_attempt, conclude_batch, hold_batch, hold_in_doubt
from worker.store.tables import accepted_before, accounts, attempts, batches, groups, recipients, replies, retries, runs

HELD: Final = "the gateway was set up anew before it could be asked whether it was sent"
DROPPED: Final = "the gateway was set up anew"


def under_way(session: Session, account_id: int) -> int:
    """Return how many requests of the account wait for their reply."""
    query = sa.select(sa.func.count()).select_from(attempts).join(runs, runs.c.id == attempts.c.run_id)
    return session.scalars(query.where(runs.c.account_id == account_id, attempts.c.state == AttemptState.OPEN)).one()


def take_new_gateway(session: Session, account_id: int, *, now: datetime) -> int:
    """Start again with the gateway as it is; return how many requests in doubt are held. No request may be open.

    Requests in doubt are held for a person: the new gateway cannot show them, and they would be believed never to have
    arrived. Messages that it accepted since it was set up are known by their IDs, which are not above those seen before
    their requests.
    """
    held = _hold_doubts(session, account_id, now)
    mine = sa.select(runs.c.id).where(runs.c.account_id == account_id)
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
    session.execute(sa.update(accounts).where(accounts.c.id == account_id).values(values))
    resume_account(session, account_id)
    record_event(
        session, EventName.ACCOUNT_NEW_GATEWAY, now, detail={"account": account_id, "moved_by": by, "held": held}
    )
    return held


def _above_all(account_id: int) -> sa.ColumnElement[int]:
    mine = sa.select(runs.c.id).where(runs.c.account_id == account_id)
    tops: tuple[sa.Select[Any], ...] = (
        sa.select(accounts.c.highest_gateway_id.label("top")).where(accounts.c.id == account_id),
        sa.select(sa.func.max(recipients.c.gateway_id)).where(recipients.c.run_id.in_(mine)),
        sa.select(sa.func.max(retries.c.gateway_id)).where(retries.c.run_id.in_(mine)),
        sa.select(sa.func.max(replies.c.gateway_id)).where(replies.c.account_id == account_id),
        sa.select(sa.func.max(accepted_before.c.gateway_id)).where(accepted_before.c.account_id == account_id),
    )
    every = sa.union_all(*tops).subquery()
    return sa.select(sa.func.coalesce(sa.func.max(every.c.top), 0)).scalar_subquery()


def _hold_doubts(session: Session, account_id: int, now: datetime) -> int:
    doubts = session.execute(
        sa.select(attempts.c.id, attempts.c.batch_id, attempts.c.run_id, attempts.c.evidence, batches.c.list_id)
        .join(runs, runs.c.id == attempts.c.run_id)
        .join(batches, batches.c.id == attempts.c.batch_id)
        .where(runs.c.account_id == account_id, attempts.c.state == AttemptState.UNKNOWN)
    ).all()
    for attempt_id, batch_id, run_id, evidence, list_id in doubts:
        close_attempt(session, attempt_id, outcome=Verdict.HOLD.value, evidence=evidence, now=now)
        if list_id is not None:
            hold_batch(session, batch_id, HELD)
        else:
            in_doubt = sa.select(recipients.c.id).where(
                recipients.c.batch_id == batch_id, recipients.c.state == RecipientState.IN_DOUBT
            )
            hold_in_doubt(session, list(session.scalars(in_doubt)), HELD)
            conclude_batch(session, batch_id, retry_at=now + timedelta(seconds=1))
        outbox.announce_held(session, run_id, now=now)
    return len(doubts)
