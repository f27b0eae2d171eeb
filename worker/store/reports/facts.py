"""Facts for the metrics, each cheap to look at again and again: a whole run is looked through by `strays` alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import BatchState, RecipientState, RunState
from worker.store.models import AttemptState
from worker.store.tables import NOT_WAITING, attempts, batches, campaigns, recipients, runs

BEGUN: Final = (RunState.RUNNING, RunState.PAUSED, RunState.SETTLING)

MOST_RUNS: Final = 1_000

HELD_FOR: Final = timedelta(days=7)
"""How long after its end what a run holds is looked at."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that has begun and is not over. `planned`: how many rows its plan had, 0 if nobody wrote that down."""

    id: int
    campaign: str
    definition_id: int
    state: RunState
    planned: int
    campaign_id: int = 0


_mine = runs.c.account_id == sa.bindparam("b_account")
_BEGUN: Final = (
    sa.select(
        runs.c.id,
        campaigns.c.slug,
        runs.c.definition_id,
        runs.c.state,
        runs.c.plan_summary["counts"],
        runs.c.campaign_id,
    )
    .join(campaigns, campaigns.c.id == runs.c.campaign_id)
    .where(_mine, runs.c.state.in_(BEGUN), runs.c.started_at.is_not(None))
    .order_by(runs.c.started_at.desc(), runs.c.id.desc())
    .limit(MOST_RUNS)
)


def begun_runs(session: Session, account_id: int) -> list[Begun]:
    """Return the runs of the account that have begun and are not over, the last to begin first."""
    found = session.connection().execute(_BEGUN, {"b_account": account_id})
    return [
        Begun(id_, slug, definition_id, RunState(state), sum((counts or {}).values()), campaign_id)
        for id_, slug, definition_id, state, counts, campaign_id in found
    ]


_UNDER_WAY: Final = (BatchState.SENDING, BatchState.UNKNOWN)
_is_stray = sa.or_(
    sa.and_(
        recipients.c.state == RecipientState.PENDING,
        batches.c.state.not_in([BatchState.PLANNED, BatchState.QUEUED, *_UNDER_WAY]),
    ),
    sa.and_(recipients.c.state == RecipientState.IN_DOUBT, batches.c.state.not_in(_UNDER_WAY)),
)
"""A batch that is over leaves nobody pending or in doubt: nothing would ever be sent to them, or looked up."""


def strays(session: Session, run_id: int) -> int:
    """Return about how many recipients of a run no request will ever decide: 0.5 s for a million recipients."""
    query = (
        sa.select(sa.func.count())
        .select_from(recipients.outerjoin(batches, batches.c.id == recipients.c.batch_id))
        .where(recipients.c.run_id == run_id, _is_stray)
    )
    return session.scalars(query).one()


_first_due = (
    sa.select(sa.func.min(batches.c.not_before))
    .where(batches.c.run_id == runs.c.id, batches.c.state == BatchState.PLANNED)
    .correlate(runs)
    .scalar_subquery()
)
"""From the end of an index, whatever waits behind it."""


_decided_at = (
    sa.select(sa.func.max(attempts.c.finished_at))
    .where(attempts.c.batch_id == batches.c.id)
    .correlate(batches)
    .scalar_subquery()
)
_first_held = (
    sa.select(sa.func.min(sa.func.coalesce(_decided_at, batches.c.latest, batches.c.moment)))
    .where(batches.c.run_id == runs.c.id, batches.c.state == BatchState.HELD)
    .correlate(runs)
    .scalar_subquery()
)
"""Of each run by an index: joined, SQLite looked at every batch there ever was."""

_OLDEST: Final = {
    RecipientState.PENDING: sa.select(sa.func.min(_first_due)).where(_mine, runs.c.state == RunState.RUNNING),
    RecipientState.IN_DOUBT: sa.select(sa.func.min(attempts.c.started_at))
    .join(batches, batches.c.id == attempts.c.batch_id)
    .join(runs, runs.c.id == batches.c.run_id)
    .where(_mine, batches.c.state.in_(_UNDER_WAY), NOT_WAITING, attempts.c.state != AttemptState.CLOSED),
    RecipientState.HELD: sa.select(sa.func.min(_first_held)).where(
        _mine, sa.or_(runs.c.state.in_(BEGUN), runs.c.finished_at > sa.bindparam("b_since"))
    ),
}


def oldest(session: Session, account_id: int, *, now: datetime) -> dict[RecipientState, datetime]:
    """Return since when the oldest text is due, in doubt or held; a state that no text is in is left out."""
    connection, values = session.connection(), {"b_account": account_id, "b_since": now - HELD_FOR}
    found = {state: connection.execute(query, values).scalar_one() for state, query in _OLDEST.items()}
    return {state: since for state, since in found.items() if since is not None and since <= now}


def queued_batches(session: Session, account_id: int) -> int:
    """Return how many batches have a job in the queue."""
    query = (
        sa.select(sa.func.count())
        .select_from(batches.join(runs, runs.c.id == batches.c.run_id))
        .where(runs.c.account_id == account_id, batches.c.state == BatchState.QUEUED, NOT_WAITING)
    )
    return int(session.execute(query).scalar_one())
