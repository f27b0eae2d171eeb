"""Messages that the gateway has accepted, whose receipts are read from now on."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from worker.store.tables import groups


def _follow(insert: Callable[[sa.Table], postgresql.Insert | sqlite.Insert]) -> sa.Insert:
    row = insert(groups).inline()
    return row.on_conflict_do_update(
        index_elements=["run_id", "group_id", "batch_id"],
        set_={"messages": groups.c.messages + row.excluded.messages, "next_poll_at": row.excluded.next_poll_at},
    )


_FOLLOW: Final = {"sqlite": _follow(sqlite.insert), "postgresql": _follow(postgresql.insert)}
"""Adds a group of messages, or more messages to a known one."""


def add_groups(
    session: Session,
    run_id: int,
    batch_id: int,
    group_ids: Iterable[str | None],
    *,
    now: datetime,
    first_poll_at: datetime,
) -> None:
    """Follow messages from `first_poll_at` on, by their groups; those without a group one by one, as group ''."""
    connection = session.connection()
    followed = [
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
    connection.execute(_FOLLOW[connection.dialect.name], followed if len(followed) > 1 else followed[0])
