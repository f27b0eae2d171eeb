"""Messages that the gateway has accepted, whose receipts are read from now on."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from worker.store.statements import Statement
from worker.store.tables import groups


def _follow(insert: Callable[[sa.Table], postgresql.Insert | sqlite.Insert]) -> Statement:
    given = [column for column in groups.c if column is not groups.c.id]
    row = insert(groups).inline().values({c: sa.bindparam(f"b_{c.name}", type_=c.type) for c in given})
    statement = row.on_conflict_do_update(
        index_elements=["run_id", "group_id", "batch_id"],
        set_={"messages": groups.c.messages + row.excluded.messages, "next_poll_at": row.excluded.next_poll_at},
    )
    return Statement(statement.returning(groups.c.id))


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
) -> Mapping[str, int]:
    """Follow messages from `first_poll_at` on, by their groups; those without a group one by one, as group ''.

    Returns the row of each group.
    """
    connection = session.connection()
    values = {
        "b_run_id": run_id, "b_batch_id": batch_id, "b_accepted_at": now, "b_polls": 0, "b_next_poll_at": first_poll_at
    }  # fmt: skip
    rows = {}
    for group_id, messages in Counter([group_id or "" for group_id in group_ids]).items():
        of_group = {**values, "b_group_id": group_id, "b_messages": messages}
        rows[group_id] = _FOLLOW[connection.dialect.name].rows(connection, of_group)[0][0]
    return rows
