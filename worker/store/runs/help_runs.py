"""Answers to HELP: who had one recently, and the runs that are not over."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.answering import HELP_ANSWERS
from worker.store.bulk import in_parts
from worker.store.people import erased
from worker.store.tables import batches, campaigns, recipients, runs


def answered_since(session: Session, campaign_id: int, numbers: Collection[str], since: datetime) -> set[str]:
    """Return those of the numbers for which an answer was planned after `since`, whatever its outcome."""
    found: set[str] = set()
    hashed = erased.hashes(session, numbers)
    for part in in_parts(sorted({*numbers, *hashed})):
        query = (
            sa.select(recipients.c.number)
            .join(runs, runs.c.id == recipients.c.run_id)
            .join(batches, batches.c.id == recipients.c.batch_id)
            .where(runs.c.campaign_id == campaign_id, recipients.c.number.in_(part), batches.c.moment > since)
        )
        found.update(hashed.get(number, number) for number in session.scalars(query))
    return found


def unfinished_answers(session: Session, *, rehearsal: bool) -> list[int]:
    """Return the runs of answers that are not over."""
    query = sa.select(runs.c.id).join(campaigns, campaigns.c.id == runs.c.campaign_id)
    mine = (campaigns.c.slug == HELP_ANSWERS, campaigns.c.rehearsal == rehearsal, runs.c.finished_at.is_(None))
    return list(session.scalars(query.where(*mine)))
