"""The plan of a run: recipients and batches, written one chunk per transaction; deleted to be made again."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import WaitsFor
from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.planning.batching import BatchLimits
from campaigns.planning.planned import PlannedRecipient
from campaigns.timing.departures import Departure, Placement
from worker.store.bulk import insert_rows, new_ids
from worker.store.people import audience_sources, erased, suppressions
from worker.store.runs.runs import has_sent
from worker.store.sending import accepted_before
from worker.store.tables import batches, events, notices, recipients, run_courses, runs
from worker.store.transitions import move_run

COLUMNS = (
    "run_id",
    "batch_id",
    "number",
    "occurrence",
    "slot",
    "source_id",
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


BATCH_COLUMNS: Final = (
    "run_id", "ordinal", "state", "zones", "moment",
    "latest", "not_before", "attempt", "recipients", "segments",
    "list_id", "avoid_device", "target", "waits_for", "reason",
)  # fmt: skip

FEW_BATCHES: Final = 20
"""Up to here one round trip of PostgreSQL counts for more than the time of each row."""


@dataclass(slots=True)
class NewBatch:
    """A batch to store: how many people and segments it has, when it may leave, and why it is held, if it is."""

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
"""The state in which a batch is planned, by the state in which its people are planned."""


def list_batch(list_id: int, segments: int, placement: Placement, *, now: datetime) -> NewBatch:
    """Return the one batch of a campaign to a contact list, which may already have missed its moment."""
    departure, state = placement.departure or Departure("", now), _BATCH_STATES[placement.state]
    return NewBatch(0, departure, segments=segments, list_id=list_id, state=state, reason=placement.reason)


def insert_chunk(
    session: Session,
    run_id: int,
    rows: Sequence[tuple[PlannedRecipient, int | None]],
    *,
    limits: BatchLimits | None = None,
    targets: Mapping[int, str] | None = None,
) -> None:
    """Insert planned recipients, each with the ordinal of its batch (None: never sent), and those batches.

    All rows of a batch are in one chunk. The one device or SIM of a batch: by ordinal in `targets`, or by the `limits`
    that it was made with. Raises ValueError for a recipient who has a batch and no departure, and `PrivacyKeyProblem`
    if people were erased who could not be recognised.
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
            target = limits.phone_of(planned.number) if limits else targets.get(ordinal, "") if targets else ""
            batch = found[ordinal] = NewBatch(
                ordinal, planned.departure, target=target, state=state, reason=planned.reason
            )
        batch.recipients += 1
        batch.segments += planned.segments
    ids = insert_batches(session, run_id, found.values())
    sources = audience_sources.ids_of(session, {planned.source for planned, _ in rows})
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
                sources[planned.source],
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
    if erased.any_erased(session):
        pending = [planned for planned, _ in rows if planned.state is RecipientState.PENDING]
        suppressions.keep_out_erased(session, [planned.number for planned in pending])
        accepted_before.recall(session, {planned.number: planned.text for planned in pending})


def next_ordinal(session: Session, run_id: int) -> int:
    """Return the ordinal of the next batch of a run that already has a plan."""
    last = session.scalars(sa.select(sa.func.max(batches.c.ordinal)).where(batches.c.run_id == run_id)).one()
    return 0 if last is None else last + 1


def insert_batches(session: Session, run_id: int, made: Collection[NewBatch]) -> dict[int, int]:
    """Insert batches; return ordinal -> id."""
    if not made:
        return {}
    if len(made) <= FEW_BATCHES:
        statement = sa.insert(batches).returning(batches.c.ordinal, batches.c.id)
        values = [
            dict(zip(BATCH_COLUMNS, _batch_values(run_id, batch, lambda moment: moment), strict=True)) for batch in made
        ]
        return {row.ordinal: row.id for row in session.execute(statement, values)}
    ids = new_ids(session, "batch", len(made))
    stored = _stored_time(session.connection().dialect)
    rows = ((id_, *_batch_values(run_id, batch, stored)) for id_, batch in zip(ids, made, strict=True))
    insert_rows(session, "batch", ("id", *BATCH_COLUMNS), rows)
    return {batch.ordinal: id_ for id_, batch in zip(ids, made, strict=True)}


def _batch_values(run_id: int, batch: NewBatch, stored: Callable[[datetime | None], Any]) -> tuple[Any, ...]:
    departure = batch.departure
    return (
        run_id, batch.ordinal, batch.state.value, departure.zones, stored(departure.at),
        stored(departure.latest), stored(departure.at), 0, batch.recipients, batch.segments,
        batch.list_id, departure.avoid_device, batch.target, WaitsFor.NOTHING.value, batch.reason,
    )  # fmt: skip


def _stored_time(dialect: sa.Dialect) -> Callable[[datetime | None], Any]:
    """Return how the driver is given a time. A plan has few different ones for its many batches."""
    to_driver = batches.c.moment.type.dialect_impl(dialect).bind_processor(dialect)
    return lru_cache(maxsize=1_000)(to_driver) if to_driver else lambda moment: moment


def clear_plan(
    session: Session, run_id: int, *, definition_id: int, starts_at: datetime, follow_seconds: float, kind: str
) -> bool:
    """Delete the plan of a run that has sent nothing, so that it can be planned again. False: something was sent."""
    # Lock first, then ask: on PostgreSQL an intent under way holds a share of the lock, and is seen then.
    state = session.scalars(sa.select(runs.c.state).where(runs.c.id == run_id).with_for_update()).one()
    if has_sent(session, run_id):
        return False
    if state is RunState.PAUSED:  # an edit does not release what was paused
        planned_anew = sa.update(runs).where(runs.c.id == run_id).values(resume_to=RunState.SCHEDULED.value)
    else:
        planned_anew = move_run(RunState.SCHEDULED, runs.c.id == run_id, reason="")
    session.execute(
        planned_anew.values(
            planned_at=None,
            started_at=None,
            sent_at=None,
            followed_at=None,
            finished_at=None,
            definition_id=definition_id,
            starts_at=starts_at,
            follow_seconds=follow_seconds,
            kind=kind,
        )
    )
    remove_steps(session, run_id)
    session.execute(sa.delete(recipients).where(recipients.c.run_id == run_id))
    session.execute(sa.delete(batches).where(batches.c.run_id == run_id))
    session.execute(sa.delete(run_courses).where(run_courses.c.run_id == run_id))
    return True


def remove_steps(session: Session, run_id: int) -> None:
    """Delete the steps of a run from which nothing was sent: they are planned with it."""
    steps = sa.select(runs.c.id).where(runs.c.root_id == run_id).order_by(runs.c.id.desc())
    for step_id in session.scalars(steps).all():  # the last one first: each refers to the one before
        remove_run(session, step_id)


def remove_run(session: Session, run_id: int) -> None:
    """Delete a run, and everything of it."""
    for table in (recipients, batches, events, notices, run_courses):
        session.execute(sa.delete(table).where(table.c.run_id == run_id))
    session.execute(sa.delete(runs).where(runs.c.id == run_id))


def start_with_first(session: Session, run_id: int) -> None:
    """Start the run with the first of its people: where clocks are ahead, that is before the campaign's own start."""
    first = sa.select(sa.func.min(batches.c.moment)).where(batches.c.run_id == run_id).scalar_subquery()
    earlier = sa.func.coalesce(first, runs.c.starts_at)
    session.execute(sa.update(runs).where(runs.c.id == run_id).values(starts_at=earlier))


def finish_plan(session: Session, run_id: int, *, plan_hash: str, summary: dict[str, Any], now: datetime) -> None:
    """Record that the plan is complete."""
    session.execute(
        sa.update(runs).where(runs.c.id == run_id).values(planned_at=now, plan_hash=plan_hash, plan_summary=summary)
    )
