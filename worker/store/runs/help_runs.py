"""Answers to HELP: who had one recently, and the daily run that takes the next ones."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.answering import HELP_ANSWERS
from worker.store.bulk import in_parts, insert_missing
from worker.store.runs.reminders import lock_campaign
from worker.store.tables import batches, campaigns, recipients, runs


def lock_answers(session: Session, *, rehearsal: bool, now: datetime) -> int:
    """Return the id of the answers' campaign, making it if it is missing, and lock it for this transaction.

    One transaction at a time decides who gets an answer. If two make it at once, neither fails.
    """
    made = insert_missing(session, campaigns).values(slug=HELP_ANSWERS, rehearsal=rehearsal, created_at=now)
    session.execute(made)
    mine = sa.select(campaigns.c.id).where(campaigns.c.slug == HELP_ANSWERS, campaigns.c.rehearsal == rehearsal)
    campaign_id: int = session.scalars(mine).one()
    lock_campaign(session, campaign_id)
    return campaign_id


def answered_since(session: Session, campaign_id: int, numbers: Collection[str], since: datetime) -> set[str]:
    """Return those of the numbers for which an answer was planned after `since`, whatever its outcome."""
    found: set[str] = set()
    for part in in_parts(sorted(numbers)):
        query = (
            sa.select(recipients.c.number)
            .join(runs, runs.c.id == recipients.c.run_id)
            .join(batches, batches.c.id == recipients.c.batch_id)
            .where(runs.c.campaign_id == campaign_id, recipients.c.number.in_(part), batches.c.moment > since)
        )
        found.update(session.scalars(query))
    return found


def unfinished_answers(session: Session, *, rehearsal: bool) -> list[int]:
    """Return the runs of answers that are not over."""
    query = sa.select(runs.c.id).join(campaigns, campaigns.c.id == runs.c.campaign_id)
    mine = (campaigns.c.slug == HELP_ANSWERS, campaigns.c.rehearsal == rehearsal, runs.c.finished_at.is_(None))
    return list(session.scalars(query.where(*mine)))


def account_of(session: Session, run_id: int) -> int:
    """Return the account that a run is sent through."""
    return int(session.scalars(sa.select(runs.c.account_id).where(runs.c.id == run_id)).one())
