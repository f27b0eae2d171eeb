"""Answers to HELP: who had one lately, and the run of a day that takes in the next ones."""

from collections.abc import Collection
from datetime import datetime

from sqlmodel import Session, col, select

from campaigns.answering import HELP_ANSWERS
from worker.store.bulk import in_parts, insert_missing
from worker.store.models import Batch, Campaign, Recipient, Run
from worker.store.reminders import lock_campaign


def lock_answers(session: Session, *, rehearsal: bool, now: datetime) -> int:
    """The campaign of the answers, made where it is missing, for this transaction alone: its id.

    One at a time decides who gets an answer. Two that make it at once are no error to either.
    """
    made = insert_missing(session, Campaign).values(slug=HELP_ANSWERS, rehearsal=rehearsal, created_at=now)
    session.execute(made)
    mine = select(Campaign.id).where(Campaign.slug == HELP_ANSWERS, Campaign.rehearsal == rehearsal)
    campaign_id = session.exec(mine).one()
    lock_campaign(session, campaign_id)
    return campaign_id


def answered_since(session: Session, campaign_id: int, numbers: Collection[str], since: datetime) -> set[str]:
    """Those of the numbers for which an answer was planned later than that, whatever became of it."""
    found: set[str] = set()
    for part in in_parts(sorted(numbers)):
        query = (
            select(Recipient.number)
            .join(Run, col(Run.id) == col(Recipient.run_id))
            .join(Batch, col(Batch.id) == col(Recipient.batch_id))
            .where(Run.campaign_id == campaign_id, col(Recipient.number).in_(part), Batch.moment > since)
        )
        found.update(session.exec(query))
    return found


def unfinished_answers(session: Session, *, rehearsal: bool) -> list[int]:
    """The runs of answers that are not over."""
    query = select(Run.id).join(Campaign, col(Campaign.id) == col(Run.campaign_id))
    mine = (Campaign.slug == HELP_ANSWERS, Campaign.rehearsal == rehearsal, col(Run.finished_at).is_(None))
    return list(session.exec(query.where(*mine)))


def account_of(session: Session, run_id: int) -> int:
    """The account that a run is sent through."""
    return session.exec(select(Run.account_id).where(Run.id == run_id)).one()
