"""The books: how many recipients are in which state, and what it took."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from campaigns.lifecycle import RecipientState
from worker.store.models import Attempt, Recipient, Retry


@dataclass(frozen=True, slots=True)
class Books:
    """Counts of a run. `by_state` sums up to the audience.
    `segments` are those of texts handed to the gateway, also where a text failed and was sent again.

    `first_send_at`, `last_send_at`: when requests were made, without those proven not sent; None: none was.
    """

    by_state: dict[RecipientState, int]
    segments: int
    send_requests: int
    first_send_at: datetime | None
    last_send_at: datetime | None

    @property
    def audience(self) -> int:
        """Everybody who was in the audience, sent to or not."""
        return sum(self.by_state.values())


def books(session: Session, *run_ids: int) -> Books:
    """Count a run, or several together."""
    # Not grouped: SQLite sorts for that, and keeps every row of the run in memory meanwhile.
    state = col(Recipient.state)
    segments = sa.case((col(Recipient.gateway_id).is_not(None), Recipient.segments))
    figures = (sa.func.sum(segments), *(sa.func.count().filter(state == each) for each in RecipientState))
    sent_segments, *found = session.execute(sa.select(*figures).where(col(Recipient.run_id).in_(run_ids))).one()
    left_at = sa.case((col(Attempt.outcome) != "not_sent", col(Attempt.started_at)))
    requests, first, last = session.exec(
        select(sa.func.count(), sa.func.min(left_at), sa.func.max(left_at)).where(col(Attempt.run_id).in_(run_ids))
    ).one()
    failed_before = session.exec(
        select(sa.func.coalesce(sa.func.sum(Retry.segments), 0)).where(
            col(Retry.run_id).in_(run_ids), col(Retry.began_at).is_not(None)
        )
    ).one()
    return Books(
        {state: count for state, count in zip(RecipientState, found, strict=True) if count},
        (sent_segments or 0) + failed_before,
        requests,
        first,
        last,
    )


@dataclass(frozen=True, slots=True)
class Failures:
    """How many texts of a run failed for one reason on one device. `result_code` None: not because of a phone."""

    count: int
    result_code: int | None
    device: int | None
    reason: str


def failures(session: Session, run_id: int) -> list[Failures]:
    """Why texts of a run failed, the most frequent reason first."""
    count = sa.func.count()
    query = (
        sa.select(count, col(Recipient.result_code), col(Recipient.device), col(Recipient.reason))
        .where(col(Recipient.run_id) == run_id, col(Recipient.state) == RecipientState.FAILED)
        .group_by(col(Recipient.result_code), col(Recipient.device), col(Recipient.reason))
        .order_by(count.desc(), col(Recipient.reason), col(Recipient.device))
    )
    return [Failures(*row) for row in session.execute(query)]


def only_recipient(session: Session, run_id: int) -> tuple[RecipientState, str]:
    """The state and the reason of the one recipient of a test."""
    state, reason = session.exec(select(Recipient.state, Recipient.reason).where(Recipient.run_id == run_id)).one()
    return RecipientState(state), reason
