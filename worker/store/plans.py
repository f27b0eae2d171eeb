"""Writing a plan: recipients and batches, a chunk per transaction."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter

import sqlalchemy as sa
from sqlmodel import Session, col

from campaigns.lifecycle import BatchState
from campaigns.planning import PlannedRecipient
from worker.store.bulk import insert_rows
from worker.store.models import Batch

COLUMNS = (
    "run_id",
    "batch_id",
    "number",
    "occurrence",
    "source",
    "line",
    "state",
    "reason",
    "variant",
    "text",
    "segments",
    "attempts",
    "retries",
)


def insert_chunk(
    session: Session, run_id: int, rows: Sequence[tuple[PlannedRecipient, int | None]], *, not_before: datetime
) -> None:
    """Insert planned recipients, each with the ordinal of its batch (None: never sent), and those batches.

    The rows of one batch are all in one chunk.
    """
    sizes: dict[int, tuple[int, int]] = {}
    in_batches = ((ordinal, planned) for planned, ordinal in rows if ordinal is not None)
    for ordinal, members in groupby(in_batches, key=itemgetter(0)):
        segments = [planned.segments for _, planned in members]
        count, total = sizes.get(ordinal, (0, 0))
        sizes[ordinal] = (count + len(segments), total + sum(segments))
    ids = insert_batches(session, run_id, sizes, not_before=not_before)
    insert_rows(
        session,
        "recipient",
        COLUMNS,
        (
            (
                run_id,
                None if ordinal is None else ids[ordinal],
                planned.number,
                planned.occurrence,
                planned.source,
                planned.line,
                planned.state.value,
                planned.reason,
                "",
                planned.text,
                planned.segments,
                0,
                0,
            )
            for planned, ordinal in rows
        ),
    )


def insert_batches(
    session: Session,
    run_id: int,
    sizes: dict[int, tuple[int, int]],
    *,
    not_before: datetime,
    list_id: int | None = None,
) -> dict[int, int]:
    """Insert batches given as ordinal -> (recipients, segments); ordinal -> id."""
    if not sizes:
        return {}
    statement = sa.insert(Batch).returning(col(Batch.ordinal), col(Batch.id))
    values = [
        {
            "run_id": run_id,
            "ordinal": ordinal,
            "state": BatchState.PLANNED,
            "not_before": not_before,
            "recipients": recipients,
            "segments": segments,
            "list_id": list_id,
        }
        for ordinal, (recipients, segments) in sizes.items()
    ]
    return {row.ordinal: row.id for row in session.execute(statement, values)}
