"""The plan of steps: their runs, made with that of the run that they belong to, and their texts.

The fields of the audience are not kept, so every text is stored when its person is planned. Until the text before was
accepted, its row waits without a batch.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import RunType, step_moment
from campaigns.definition import Definition
from campaigns.lifecycle import RecipientState, RunState
from campaigns.planning.planned import PlannedRecipient
from worker.store.runs import plans
from worker.store.runs.held import reopen_run
from worker.store.runs.runs import VIEW, RunView, cancel_leftovers, create_run, run_view, views_of
from worker.store.tables import runs

HAS_TEXT: Final = frozenset({RecipientState.PENDING, RecipientState.HELD})
"""States of planned people to whom the campaign's own text may go, and so its steps."""


def steps_of(session: Session, root_id: int) -> list[int]:
    """Return the runs of the steps of a run, in their order; not those that send failed texts of them again."""
    query = sa.select(runs.c.id).where(runs.c.root_id == root_id, runs.c.parent_id.is_(None))
    return list(session.scalars(query.order_by(runs.c.id)))


def unfinished_steps(session: Session, root_id: int) -> list[int]:
    """Return those of them that are not over, and what sends failed texts of them again."""
    query = sa.select(runs.c.id).where(runs.c.root_id == root_id, runs.c.finished_at.is_(None))
    return list(session.scalars(query.order_by(runs.c.id)))


def paused_steps(session: Session, root_ids: Collection[int]) -> list[RunView]:
    """Return the steps of these runs that are paused, in their order."""
    mine = runs.c.root_id.in_(root_ids), runs.c.parent_id.is_(None), runs.c.state == RunState.PAUSED
    return views_of(session, VIEW.where(*mine).order_by(runs.c.id)) if root_ids else []


def create_steps(session: Session, root_id: int, definition: Definition, *, now: datetime) -> list[int]:
    """Make the runs of the steps of a run that is being planned; return them in order."""
    root = run_view(session, root_id)
    waits = accumulate((step.after for step in definition.steps), initial=timedelta())
    next(waits)
    made, previous_id = list[int](), root.id
    for step, wait in zip(definition.steps, waits, strict=True):
        previous_id = create_run(
            session,
            campaign_id=root.campaign_id,
            account_id=root.account_id,
            definition_id=root.definition_id,
            starts_at=root.starts_at + wait,  # not before: its first text says when
            follow_seconds=definition.follow.until.total_seconds(),
            kind=root.kind,
            now=now,
            type=RunType.STEP,
            moment=step_moment(root.moment, step.name),
            root_id=root.id,
            previous_id=previous_id,
            unless=",".join(step.unless) or None,
            only_if=",".join(step.only_if) or None,
        )
        made.append(previous_id)
    return made


def store_texts(session: Session, step_ids: Sequence[int], rows: Sequence[PlannedRecipient]) -> None:
    """Store the texts of the steps of these people, each of whom then waits for the step before.

    Raises `PrivacyKeyProblem`.
    """
    if not step_ids:
        return
    having = [row for row in rows if row.steps and row.state in HAS_TEXT]
    for place, step_id in enumerate(step_ids):
        waiting = [
            (
                row._replace(
                    state=RecipientState.PENDING,
                    reason="",
                    text=row.steps[place].text,
                    segments=row.steps[place].segments,
                    departure=None,
                    steps=(),
                ),
                None,
            )
            for row in having
        ]
        plans.insert_chunk(session, step_id, waiting)


def finish_steps(session: Session, root_id: int, *, figures: Sequence[dict[str, Any]], now: datetime) -> None:
    """Finish the plans of the steps of a run that was planned: what is approved of it holds for them, too."""
    if not figures:
        return
    root = run_view(session, root_id)
    for step_id, step in zip(steps_of(session, root_id), figures, strict=True):
        people = step["recipients"]["most"]
        summary = {"audience": people, "counts": {RecipientState.PENDING.value: people}, **step}
        plans.finish_plan(session, step_id, plan_hash=root.plan_hash, summary=summary, now=now)


def add_texts(session: Session, root_id: int, rows: Sequence[PlannedRecipient], *, now: datetime) -> None:
    """Store the texts of the steps of people who are added to a run later; a step that is over goes on."""
    step_ids = steps_of(session, root_id)
    store_texts(session, step_ids, rows)
    if any(row.steps and row.state in HAS_TEXT for row in rows):
        for step_id in step_ids:
            reopen_run(session, step_id, now)
            cancel_leftovers(session, step_id)
