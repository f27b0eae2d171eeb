"""The recipients of a run a page at a time, in the order of the audience: all, or those that a filter matches."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.reports.choices import matches
from worker.store.reports.exports import (
    NO_REPLY,
    Exported,
    exported,
    first_replies,
    kind_and_plan,
    moment,
    opted_out_in,
    selected,
    set_for_pages,
)
from worker.store.reports.keyset import rows_after
from worker.store.tables import recipients, replies


def recipients_after(
    session: Session,
    run_id: int,
    filters: Mapping[str, Any],
    *,
    only: Sequence[sa.ColumnElement[bool]] = (),
    after: int,
    limit: int,
) -> tuple[list[tuple[int, Exported]], int | None]:
    """Return rows with their ids, and the id to go on after. `filters`, as in `matches`; `only`: further conditions."""
    connection = session.connection()
    set_for_pages(connection)
    rows, place = rows_after(
        session,
        selected(connection),
        recipients.c.id,
        among=[recipients.c.run_id == run_id],
        only=[*matches(run_id, filters), *only],
        after=after,
        limit=limit,
    )
    ids = [row[0] for row in rows]
    kind, planned_at = kind_and_plan(connection, run_id)
    opted_out = opted_out_in(connection, recipients.c.id.in_(ids))
    ended = {id_: moment(since) for id_, since in connection.execute(opted_out, {"b_kind": kind})}
    replied = first_replies(connection, replies.c.recipient_id.in_(ids) & (replies.c.run_id == run_id), {})
    found = [(row[0], exported(row, planned_at, replied.get(row[0], NO_REPLY), ended.get(row[0]))) for row in rows]
    return found, place
