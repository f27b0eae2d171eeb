"""The books: how many recipients are in which state, and what it took."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import Session, col, select

from campaigns.lifecycle import RecipientState
from worker.store.models import Attempt, Recipient


@dataclass(frozen=True, slots=True)
class Books:
    """Counts of one run. `by_state` sums up to the audience; `segments` are those of texts handed to the gateway."""

    by_state: dict[RecipientState, int]
    segments: int
    send_requests: int

    @property
    def audience(self) -> int:
        """Everybody who was in the audience, sent to or not."""
        return sum(self.by_state.values())


def books(session: Session, run_id: int) -> Books:
    """Count one run."""
    rows = session.exec(
        select(
            Recipient.state,
            sa.func.count(),
            sa.func.sum(sa.case((col(Recipient.gateway_id).is_not(None), Recipient.segments), else_=0)),
        )
        .where(Recipient.run_id == run_id)
        .group_by(col(Recipient.state))
    ).all()
    requests = session.exec(select(sa.func.count()).select_from(Attempt).where(Attempt.run_id == run_id)).one()
    by_state = {RecipientState(state): count for state, count, _ in rows}
    return Books(
        {state: by_state[state] for state in RecipientState if state in by_state},
        sum(segments or 0 for _, _, segments in rows),
        requests,
    )
