"""Writing a plan: recipients and batches, a chunk per transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from campaigns.judging import PlannedRecipient
from campaigns.lifecycle import BatchState, RecipientState
from campaigns.timing.placing import Departure, Placement
from worker.store.bulk import insert_rows
from worker.store.models import Batch

COLUMNS = (
    "run_id",
    "batch_id",
    "number",
    "occurrence",
    "slot",
    "source",
    "line",
    "state",
    "reason",
    "variant",
    "text",
    "segments",
    "attempts",
    "gateway_retries",
    "resent_count",
)


@dataclass(slots=True)
class NewBatch:
    """A batch to be stored: how many people and segments it has, when it may leave, and why it is held, if it is."""

    ordinal: int
    departure: Departure
    recipients: int = 0
    segments: int = 0
    list_id: int | None = None
    target: str = ""
    state: BatchState = BatchState.PLANNED
    reason: str = ""


_BATCH_STATES: Final = {
    RecipientState.PENDING: BatchState.PLANNED,
    RecipientState.HELD: BatchState.HELD,
    RecipientState.SKIPPED: BatchState.CANCELLED,
}
"""What a batch is planned as whose people are planned as this."""


def list_batch(list_id: int, segments: int, placement: Placement, *, now: datetime) -> NewBatch:
    """The one batch of a campaign to a contact list, which may have missed its moment already."""
    departure, state = placement.departure or Departure("", now), _BATCH_STATES[placement.state]
    return NewBatch(0, departure, segments=segments, list_id=list_id, state=state, reason=placement.reason)


def insert_chunk(
    session: Session,
    run_id: int,
    rows: Sequence[tuple[PlannedRecipient, int | None]],
    *,
    targets: Mapping[int, str] | None = None,
) -> None:
    """Insert planned recipients, each with the ordinal of its batch (None: never sent), and those batches.

    The rows of one batch are all in one chunk. `targets`: by ordinal the one device or SIM of a batch. Raises
    ValueError for one with a batch that has no departure.
    """
    found: dict[int, NewBatch] = {}
    for planned, ordinal in rows:
        if ordinal is None:
            continue
        batch = found.get(ordinal)
        if batch is None:
            if planned.departure is None:
                raise ValueError("a recipient with a batch was not placed in time: plan with a placer")
            state = _BATCH_STATES[planned.state]
            target = targets.get(ordinal, "") if targets else ""
            batch = found[ordinal] = NewBatch(
                ordinal, planned.departure, target=target, state=state, reason=planned.reason
            )
        batch.recipients += 1
        batch.segments += planned.segments
    ids = insert_batches(session, run_id, found.values())
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
                planned.slot,
                planned.source,
                planned.line,
                planned.state.value,
                planned.reason,
                planned.variant,
                planned.text,
                planned.segments,
                0,
                0,
                0,
            )
            for planned, ordinal in rows
        ),
    )


def next_ordinal(session: Session, run_id: int) -> int:
    """The ordinal of the next batch of a run that has a plan already."""
    last = session.exec(select(sa.func.max(Batch.ordinal)).where(Batch.run_id == run_id)).one()
    return 0 if last is None else last + 1


def insert_batches(session: Session, run_id: int, made: Collection[NewBatch]) -> dict[int, int]:
    """Insert batches; ordinal -> id."""
    if not made:
        return {}
    statement = sa.insert(Batch).returning(col(Batch.ordinal), col(Batch.id))
    values = [
        {
            "run_id": run_id,
            "ordinal": batch.ordinal,
            "state": batch.state,
            "zones": batch.departure.zones,
            "moment": batch.departure.at,
            "latest": batch.departure.latest,
            "avoid_device": batch.departure.avoid_device,
            "not_before": batch.departure.at,
            "recipients": batch.recipients,
            "segments": batch.segments,
            "list_id": batch.list_id,
            "target": batch.target,
            "reason": batch.reason,
        }
        for batch in made
    ]
    return {row.ordinal: row.id for row in session.execute(statement, values)}
