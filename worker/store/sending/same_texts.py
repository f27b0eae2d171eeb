"""The texts that people got, or are about to get, from other campaigns."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import RunType
from campaigns.lifecycle import RecipientState, RunState
from campaigns.planning.repeats import ToldBefore, as_seen
from worker.store.bulk import in_parts
from worker.store.tables import campaigns, recipients, runs

MOST_RUNS: Final = 50
"""How many of the newest runs to look at: in a folder with thousands of campaigns each would look at all the others."""

_COUNTED: Final = (
    RecipientState.PENDING,
    RecipientState.IN_DOUBT,
    RecipientState.ACCEPTED,
    RecipientState.SENT,
    RecipientState.DELIVERED,
)


def recent_runs(session: Session, account_id: int, campaign: str, *, since: datetime) -> dict[int, int]:
    """Return the newest runs of other campaigns that have sent since `since`, or will: run id -> file version id."""
    query = (
        sa.select(runs.c.id, runs.c.definition_id)
        .join(campaigns, campaigns.c.id == runs.c.campaign_id)
        .where(
            runs.c.account_id == account_id,
            campaigns.c.slug != campaign,
            runs.c.type != RunType.TEST,
            runs.c.state.not_in([RunState.FAILED, RunState.CANCELLED]),
            sa.or_(runs.c.finished_at.is_(None), runs.c.finished_at > since),
        )
        .order_by(runs.c.id.desc())
        .limit(MOST_RUNS)
    )
    return dict(session.execute(query).all())


def told_in(
    session: Session, run_ids: Collection[int], people: Sequence[tuple[str, str]], *, since: datetime
) -> list[ToldBefore]:
    """Return which of these (number, text) the runs have too, accepted after `since` or still to send."""
    texts = dict(people)
    found: dict[str, ToldBefore] = {}
    for part in in_parts(sorted(texts)):
        query = (
            sa.select(recipients.c.number, recipients.c.text, recipients.c.accepted_at, campaigns.c.slug)
            .join(runs, runs.c.id == recipients.c.run_id)
            .join(campaigns, campaigns.c.id == runs.c.campaign_id)
            .where(
                recipients.c.number.in_(part),
                recipients.c.run_id.in_(run_ids),
                recipients.c.state.in_(_COUNTED),
                sa.or_(recipients.c.accepted_at.is_(None), recipients.c.accepted_at > since),
            )
            .order_by(recipients.c.id)
        )
        for number, text, at, campaign in session.execute(query):
            if texts[number] == text or as_seen(texts[number]) == as_seen(text):
                found[number] = ToldBefore(campaign, at)
    return list(found.values())
