"""Messages that the gateway has accepted, whose receipts are read from now on."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from sqlmodel import Session

from worker.store import hot_outcomes


def add_groups(
    session: Session,
    run_id: int,
    batch_id: int,
    group_ids: Iterable[str | None],
    *,
    now: datetime,
    first_poll_at: datetime,
) -> None:
    """Follow messages, known by their groups, from `first_poll_at` on; those without one by one, as group ''."""
    connection = session.connection()
    groups = [
        {
            "run_id": run_id,
            "batch_id": batch_id,
            "group_id": group_id,
            "accepted_at": now,
            "messages": messages,
            "polls": 0,
            "next_poll_at": first_poll_at,
        }
        for group_id, messages in Counter(group_id or "" for group_id in group_ids).items()
    ]
    connection.execute(hot_outcomes.FOLLOW[connection.dialect.name], groups if len(groups) > 1 else groups[0])
