"""The books: how many recipients are in which state, and what that took."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import RecipientState
from worker.store.tables import attempts, recipients, retries


@dataclass(frozen=True, slots=True)
class Books:
    """Counts of a run. `by_state` sums up to the audience.

    `segments` are those of texts handed to the gateway, including texts that failed and were sent again.
    `first_send_at` and `last_send_at`: when requests were made, without those proven not sent; None if there were none.
    """

    by_state: dict[RecipientState, int]
    segments: int
    send_requests: int
    first_send_at: datetime | None
    last_send_at: datetime | None

    @property
    def audience(self) -> int:
        """Return the size of the audience: everybody, sent to or not."""
        return sum(self.by_state.values())


def books(session: Session, *run_ids: int) -> Books:
    """Count a run, or several together."""
    # Not grouped: SQLite sorts for that, and meanwhile keeps every row of the run in memory.
    state = recipients.c.state
    segments = sa.case((recipients.c.gateway_id.is_not(None), recipients.c.segments))
    figures = (sa.func.sum(segments), *(sa.func.count().filter(state == each) for each in RecipientState))
    sent_segments, *found = session.execute(sa.select(*figures).where(recipients.c.run_id.in_(run_ids))).one()
    left_at = sa.case((attempts.c.outcome != "not_sent", attempts.c.started_at))
    requests, first, last = session.execute(
        sa.select(sa.func.count(), sa.func.min(left_at), sa.func.max(left_at)).where(attempts.c.run_id.in_(run_ids))
    ).one()
    failed_before = session.scalars(
        sa.select(sa.func.coalesce(sa.func.sum(retries.c.segments), 0)).where(
            retries.c.run_id.in_(run_ids), retries.c.began_at.is_not(None)
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
    """Return why texts of a run failed, the most frequent reason first."""
    count = sa.func.count()
    query = (
        sa.select(count, recipients.c.result_code, recipients.c.device, recipients.c.reason)
        .where(recipients.c.run_id == run_id, recipients.c.state == RecipientState.FAILED)
        .group_by(recipients.c.result_code, recipients.c.device, recipients.c.reason)
        .order_by(count.desc(), recipients.c.reason, recipients.c.device)
    )
    return [Failures(*row) for row in session.execute(query)]


def only_recipient(session: Session, run_id: int) -> tuple[RecipientState, str]:
    """Return the state and the reason of the one recipient of a test."""
    state, reason = session.execute(
        sa.select(recipients.c.state, recipients.c.reason).where(recipients.c.run_id == run_id)
    ).one()
    return RecipientState(state), reason
