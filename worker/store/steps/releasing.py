"""People who wait for a step get their batch shortly before its time has come, or leave if the step is not for them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson
import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.planning.batching import Placed
from campaigns.steps.turns import NOT_SENT_BEFORE, TextBefore
from campaigns.values.durations import parse_duration
from worker.store.bulk import in_parts
from worker.store.locks import lock_run
from worker.store.people.batches_left import end_emptied
from worker.store.people.step_conditions import EVERYBODY_LEFT, OPEN, leave_out_early
from worker.store.runs import plans
from worker.store.runs.plans import NewBatch
from worker.store.runs.runs import RunView, run_views
from worker.store.statements import Statement, rows_given
from worker.store.tables import attempts, batches, recipients, run_counts, runs
from worker.store.transitions import changed, move_recipients, move_run

AT_ONCE: Final = 2_000
"""How many rows of a step are looked at in one transaction."""


@dataclass(frozen=True, slots=True)
class OpenStep:
    """A step in which people are pending, with a batch or without. `chain`: the run of the text before, and those that
    sent it again; `is_over`: all of them have ended."""

    run: RunView
    root_id: int
    previous_id: int
    unless: str | None
    pending: int
    chain: tuple[int, ...]
    is_over: bool

    @property
    def after(self) -> timedelta:
        """How long after the text before, as planned: a file that was edited since may name no such step any more."""
        planned = self.run.plan_summary.get("after")
        return parse_duration(planned) if planned else timedelta()


_PENDING: Final = (
    sa.select(sa.func.coalesce(sa.func.sum(run_counts.c.amount), 0))
    .where(run_counts.c.run_id == runs.c.id, run_counts.c.figure == RecipientState.PENDING.value)
    .scalar_subquery()
)
_OPEN: Final = (
    sa.select(runs.c.id, runs.c.root_id, runs.c.previous_id, runs.c.unless, _PENDING)
    .where(
        runs.c.account_id == sa.bindparam("b_account"),
        runs.c.root_id.is_not(None),
        runs.c.parent_id.is_(None),
        runs.c.state.in_(sorted(OPEN)),
        runs.c.planned_at.is_not(None),
    )
    .order_by(runs.c.id)
)
"""Built once: an idle service asks it, and nothing else."""


def open_steps(session: Session, account_id: int) -> list[OpenStep]:
    """Return the steps of the account in which somebody may still wait, the oldest first."""
    found = session.connection().execute(_OPEN, {"b_account": account_id}).all()
    if not found:
        return []
    previous = sorted({row.previous_id for row in found})
    chains: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    before = sa.func.coalesce(runs.c.parent_id, runs.c.id)
    is_over = sa.or_(runs.c.finished_at.is_not(None), runs.c.followed_at.is_not(None))
    query = sa.select(before, runs.c.id, is_over).where(sa.or_(runs.c.id.in_(previous), runs.c.parent_id.in_(previous)))
    for previous_id, id_, is_ended in session.execute(query.order_by(runs.c.id)):
        chains[previous_id].append((id_, bool(is_ended)))
    seen = run_views(session, [row.id for row in found])
    return [
        OpenStep(
            seen[id_],
            root_id,
            previous_id,
            unless,
            int(pending),
            tuple(run_id for run_id, _ in chains[previous_id]),
            all(is_ended for _, is_ended in chains[previous_id]),
        )
        for id_, root_id, previous_id, unless, pending in found
    ]


def token_of(session: Session, step: OpenStep) -> tuple[Any, ...]:
    """Return what changes with anything that became of the text before, or of the people of the step."""
    ids = [*step.chain, step.run.id]
    counted = sa.select(run_counts.c.run_id, run_counts.c.figure, sa.func.sum(run_counts.c.amount))
    states = run_counts.c.figure.in_(sorted(RecipientState))
    figures = counted.where(run_counts.c.run_id.in_(ids), states).group_by(run_counts.c.run_id, run_counts.c.figure)
    found = session.execute(figures.order_by(run_counts.c.run_id, run_counts.c.figure))
    return (step.is_over, *(tuple(row) for row in found))


class WaitingRow(NamedTuple):
    """Somebody who waits for a step, and the rows of the text before."""

    id: int
    number: str
    segments: int
    before: tuple[TextBefore, ...]


_DECLARED: Final = frozenset({RecipientState.ACCEPTED, RecipientState.SENT, RecipientState.DELIVERED})


def waiting_rows(session: Session, step: OpenStep, *, after: int) -> tuple[list[WaitingRow], int | None]:
    """Return who waits among the next `AT_ONCE` rows of a step after this one, and the last of these rows; None: there
    is none."""
    own = sa.select(recipients.c.id).where(recipients.c.run_id == step.run.id, recipients.c.id > after)
    portion = own.order_by(recipients.c.id).limit(AT_ONCE).subquery()
    until: int | None = session.scalar(sa.select(sa.func.max(portion.c.id)))
    if until is None:
        return [], None
    before = recipients.alias("before")
    # A text that a person declared sent has no moment: it is that of its last request.
    tried_at = (
        sa.select(sa.func.max(attempts.c.started_at))
        .where(attempts.c.batch_id == before.c.batch_id)
        .correlate(before)
        .scalar_subquery()
    )
    is_declared = sa.and_(before.c.accepted_at.is_(None), before.c.state.in_(sorted(_DECLARED)))
    query = (
        sa.select(
            recipients.c.id,
            recipients.c.number,
            recipients.c.segments,
            before.c.state,
            before.c.accepted_at,
            sa.case((is_declared, tried_at), else_=None),
            batches.c.zones,
        )
        .select_from(
            recipients.outerjoin(
                before,
                sa.and_(
                    before.c.number == recipients.c.number,
                    before.c.slot == recipients.c.slot,
                    before.c.occurrence == 0,
                    before.c.run_id.in_(step.chain),
                ),
            ).outerjoin(batches, batches.c.id == before.c.batch_id)
        )
        .where(
            recipients.c.run_id == step.run.id,
            recipients.c.id > after,
            recipients.c.id <= until,
            recipients.c.state == RecipientState.PENDING,
            recipients.c.batch_id.is_(None),
        )
        .order_by(recipients.c.id, before.c.run_id)
    )
    found: dict[int, tuple[str, int, list[TextBefore]]] = {}
    for id_, number, segments, state, accepted_at, declared_at, zones in session.execute(query):
        rows = found.setdefault(id_, (number, segments, []))[2]
        if state is not None:
            rows.append(TextBefore(state, accepted_at or declared_at, zones or ""))
    return [WaitingRow(id_, number, size, tuple(rows)) for id_, (number, size, rows) in found.items()], until


_given = rows_given({"id": recipients.c.id.type, "batch_id": recipients.c.batch_id.type})
_GIVE_BATCH: Final = {
    dialect: Statement(
        sa.update(recipients)
        .where(
            recipients.c.id == row["id"],
            recipients.c.state == RecipientState.PENDING,
            recipients.c.batch_id.is_(None),
        )
        .values(batch_id=row["batch_id"])
    )
    for dialect, row in _given.items()
}


def release(
    session: Session,
    step: OpenStep,
    chunks: Sequence[Sequence[Placed]],
    ids: Sequence[int],
    ended: Sequence[int],
    *,
    after: int,
    until: int,
) -> tuple[int, int]:
    """Give people of a step their batches, and let those leave who did not get the text before; return how many.

    `ids` are the rows of the people in `chunks`, in their order. Rows up to `until` that a condition leaves out for
    good leave first. Whoever was taken out by another transaction meanwhile stays so.
    """
    lock_run(session, step.run.id)
    state = session.scalars(sa.select(runs.c.state).where(runs.c.id == step.run.id)).one()
    if state not in OPEN:
        return 0, 0
    of_step = step.run.id, step.root_id, step.previous_id, step.unless
    left = leave_out_early(session, *of_step, after=after, until=until)
    for part in in_parts(ended):
        waits = recipients.c.id.in_(part), recipients.c.batch_id.is_(None)
        gone = move_recipients(RecipientState.EXCLUDED, *waits, reason=NOT_SENT_BEFORE)
        left += len(session.scalars(gone.returning(recipients.c.id)).all())
    first, place, released = plans.next_ordinal(session, step.run.id), 0, 0
    connection = session.connection()
    for chunk in chunks:
        made: dict[int, NewBatch] = {}
        for row, ordinal in chunk:
            if ordinal is None or row.departure is None:
                raise ValueError("everybody whose turn it is has a batch and a departure")
            batch = made.setdefault(ordinal, NewBatch(first + ordinal, row.departure))
            batch.recipients += 1
            batch.segments += row.segments
        by_ordinal = plans.insert_batches(session, step.run.id, list(made.values()))
        rows = [
            (ids[place + index], by_ordinal[first + ordinal])
            for index, (_, ordinal) in enumerate(chunk)
            if ordinal is not None
        ]
        place += len(chunk)
        values = {"b_rows": orjson.dumps(rows).decode()}
        given = _GIVE_BATCH[connection.dialect.name].changed(connection, values)
        if given < len(rows):
            end_emptied(session, by_ordinal.values(), EVERYBODY_LEFT)
        released += given
    if released:
        _begin_with_first(session, step.run.id)
    return released, left


def _begin_with_first(session: Session, run_id: int) -> None:
    """Let a step that has not begun start with its first text."""
    first = sa.select(sa.func.min(batches.c.moment)).where(
        batches.c.run_id == run_id, batches.c.state != BatchState.CANCELLED
    )
    starts_at = sa.func.coalesce(first.scalar_subquery(), runs.c.starts_at)
    session.execute(sa.update(runs).where(runs.c.id == run_id, runs.c.started_at.is_(None)).values(starts_at=starts_at))


def end_unbegun(session: Session, step: OpenStep, *, now: datetime) -> bool:
    """Let a step end in which nobody waits, although nothing of it was sent; return whether it does.

    It goes through `running`, like every run: the next look settles it.
    """
    lock_run(session, step.run.id)
    pending = session.scalars(sa.select(_PENDING).select_from(runs).where(runs.c.id == step.run.id)).one()
    if pending:
        return False
    unbegun = runs.c.id == step.run.id, runs.c.state == RunState.SCHEDULED
    return bool(changed(session, move_run(RunState.RUNNING, *unbegun, started_at=now, reason="")))
