"""How far runs are over time: what is kept of it, and what it is kept from."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import PausedBy, WaitsFor
from campaigns.following.course import Bottleneck, Bottlenecks, Course
from campaigns.lifecycle import BatchState, RecipientState, RunState
from worker.store.reports.facts import BEGUN
from worker.store.tables import accounts, batches, campaigns, run_courses, runs
from worker.store.transitions import changed

P = RecipientState

STAGES: Final = (
    frozenset({P.ACCEPTED, P.SENT, P.DELIVERED, P.FAILED, P.EXPIRED}),
    frozenset({P.SENT, P.DELIVERED}),
    frozenset({P.DELIVERED}),
)
"""Who counts as handed over, sent and delivered. A text that failed left the hands of this service, too."""


def stages(by_state: Mapping[RecipientState, int]) -> tuple[int, ...]:
    """Return how many people are at each of `STAGES` or further."""
    return tuple(sum(by_state.get(state, 0) for state in states) for states in STAGES)


@dataclass(frozen=True, slots=True)
class RunStanding:
    """What decides how fast a run that has begun goes on: its next batch. `due_at` None: nothing is left to queue."""

    run_id: int
    definition_id: int
    campaign: str
    state: RunState
    account_paused_by: PausedBy
    due_at: datetime | None
    waits_for: WaitsFor
    zones: str


_next_id: Final = (
    sa.select(batches.c.id)
    .where(batches.c.run_id == runs.c.id, batches.c.state == BatchState.PLANNED)
    .order_by(batches.c.not_before)
    .limit(1)
    .correlate(runs)
    .scalar_subquery()
)
_STANDINGS: Final = (
    sa.select(
        runs.c.id,
        runs.c.definition_id,
        campaigns.c.slug,
        runs.c.state,
        accounts.c.paused_by,
        batches.c.not_before,
        sa.func.coalesce(batches.c.waits_for, WaitsFor.NOTHING.value),
        sa.func.coalesce(batches.c.zones, ""),
    )
    .select_from(
        runs.join(accounts, accounts.c.id == runs.c.account_id)
        .join(campaigns, campaigns.c.id == runs.c.campaign_id)
        .outerjoin(batches, batches.c.id == _next_id)
    )
    .where(runs.c.account_id == sa.bindparam("b_account"), runs.c.state.in_(BEGUN), runs.c.started_at.is_not(None))
)
"""Built once: it runs every second."""


def standings(session: Session, account_id: int) -> list[RunStanding]:
    """Look at every run of an account that has begun and is not over: for each at the beginning of an index."""
    return [
        RunStanding(id_, of, slug, RunState(state), PausedBy(paused_by), due_at, WaitsFor(waits_for), zones)
        for id_, of, slug, state, paused_by, due_at, waits_for, zones in session.connection().execute(
            _STANDINGS, {"b_account": account_id}
        )
    ]


def load_course(session: Session, run_id: int) -> tuple[Course, Bottlenecks]:
    """Return what is kept about a run: an empty course if nothing is."""
    row = session.execute(
        sa.select(run_courses.c.course, run_courses.c.bottlenecks).where(run_courses.c.run_id == run_id)
    ).first()
    if row is None:
        return Course(len(STAGES)), []
    return Course.from_json(row[0], kinds=len(STAGES)), [
        (since, Bottleneck(bottleneck)) for since, bottleneck in row[1]
    ]


def save_course(session: Session, run_id: int, course: Course, known: Bottlenecks) -> None:
    """Keep it. Only the process that runs the clock does."""
    values = {"course": course.to_json(), "bottlenecks": [(since, bottleneck.value) for since, bottleneck in known]}
    if not changed(session, sa.update(run_courses).where(run_courses.c.run_id == run_id).values(values)):
        session.execute(sa.insert(run_courses).values(values | {"run_id": run_id}))


def last_bottlenecks(session: Session, run_ids: Collection[int]) -> dict[int, Bottleneck]:
    """Return what keeps these runs back, as far as anything is kept about them."""
    query = sa.select(run_courses.c.run_id, run_courses.c.bottlenecks).where(run_courses.c.run_id.in_(run_ids))
    return {run_id: Bottleneck(known[-1][1]) for run_id, known in session.execute(query) if known}
