"""What was sent to one number around a reply."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import RecipientState
from worker.store.people.stored_replies import Reply, answers
from worker.store.tables import campaigns, recipients, replies, runs

UNSENT: Final = (RecipientState.PENDING, RecipientState.IN_DOUBT, RecipientState.HELD)


@dataclass(frozen=True, slots=True)
class TextToThem:
    """A text of ours. `at`: when the gateway had it; None: it has not been handed over."""

    id: int
    campaign: str
    run_id: int
    text: str
    state: RecipientState
    at: datetime | None


def texts_to(session: Session, number: str, *, most: int) -> list[TextToThem]:
    """Return the last texts that a number (E.164) was sent or is to be sent, the oldest first."""
    is_text = sa.or_(recipients.c.accepted_at.is_not(None), recipients.c.state.in_(UNSENT))
    query = (
        sa.select(
            recipients.c.id,
            campaigns.c.slug,
            recipients.c.run_id,
            recipients.c.text,
            recipients.c.state,
            recipients.c.accepted_at,
        )
        .join(runs, runs.c.id == recipients.c.run_id)
        .join(campaigns, campaigns.c.id == runs.c.campaign_id)
        .where(recipients.c.number == number, is_text)
        .order_by(recipients.c.accepted_at.desc().nulls_first(), recipients.c.id.desc())
        .limit(most)
    )
    return [TextToThem(*row) for row in session.execute(query)][::-1]


def replies_from(session: Session, number: str, *, most: int) -> list[Reply]:
    """Return the last replies of a number, the oldest first."""
    last = sa.select(replies.c.id).where(replies.c.number == number).order_by(replies.c.received_at.desc()).limit(most)
    return sorted(answers(session, replies.c.id.in_(last)), key=lambda reply: (reply.received_at, reply.id))
