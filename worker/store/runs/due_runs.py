"""The start of runs: which are due, and starting them."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import PausedBy, RunType
from campaigns.lifecycle import RunState
from worker.store.notifications.outbox import announce_starts
from worker.store.runs.runs import pause_run
from worker.store.tables import batches, runs
from worker.store.transitions import move_run

OF_FILES: Final = (RunType.ONCE, RunType.FIRING, RunType.REMINDER_DAY, RunType.STEP, RunType.RESEND)
"""Runs that send what a campaign file says: no tests, no answers to HELP."""

_MOMENT = runs.c.starts_at.type


_HAS_TURN: Final = sa.or_(runs.c.root_id.is_(None), sa.exists().where(batches.c.run_id == runs.c.id))
"""A step begins once somebody has a batch: before that nobody knows when."""

_WAITING = (
    _HAS_TURN,
    runs.c.account_id == sa.bindparam("b_account"),
    runs.c.state == RunState.SCHEDULED,
    runs.c.planned_at.is_not(None),
)


_NEXT_START = sa.select(sa.func.min(runs.c.starts_at)).where(*_WAITING)


_STARTING = sa.select(runs.c.definition_id).where(*_WAITING, runs.c.starts_at <= sa.bindparam("b_until"))
"""Both are built once: an idle service asks four times a second."""


def next_start(session: Session, account_id: int) -> datetime | None:
    """Return when the next planned run of the account is or was due; None if none waits for its moment."""
    found: datetime | None = session.connection().execute(_NEXT_START, {"b_account": account_id}).scalar_one()
    return found


def starting_definitions(database: Session | sa.Connection, account_id: int, *, until: datetime) -> set[int]:
    """Return the definitions of the planned runs that are due by `until`."""
    found = database.execute(_STARTING, {"b_account": account_id, "b_until": until})
    return set(found.scalars())


def give_reason(session: Session, account_id: int, reason: str, *, until: datetime) -> None:
    """Store why planned runs that are due by `until` do not start yet; `start_due_runs` removes it."""
    waiting = runs.c.account_id == account_id, runs.c.state == RunState.SCHEDULED, runs.c.starts_at <= until, _HAS_TURN
    planned = sa.update(runs).where(*waiting, runs.c.planned_at.is_not(None))
    session.execute(planned.values(reason=reason))


def hold_forbidden(
    session: Session, account_id: int, definition_id: int, reason: str, *, until: datetime, now: datetime
) -> None:
    """Pause runs of this version of a file that are due by `until`: the operator does not allow what it asks for.

    They are paused, not failed: promised reminders are not lost if the rule is changed again.
    """
    due = (runs.c.account_id == account_id, runs.c.state == RunState.SCHEDULED, runs.c.starts_at <= until)
    its = (runs.c.planned_at.is_not(None), runs.c.definition_id == definition_id, runs.c.type.in_(OF_FILES), _HAS_TURN)
    for run_id in session.scalars(sa.select(runs.c.id).where(*due, *its).order_by(runs.c.id)).all():
        pause_run(session, run_id, PausedBy.ALARM, reason, now=now)


def definitions_to_look_at(session: Session, account_id: int, *, until: datetime) -> set[int]:
    """Return those of them with a run whose plan holds something that somebody must look at first."""
    doubtful = _STARTING.where(runs.c.plan_summary["to_look_at"].as_integer() > 0)
    found = session.connection().execute(doubtful, {"b_account": account_id, "b_until": until})
    return set(found.scalars())


def start_due_runs(
    session: Session,
    account_id: int,
    now: datetime,
    *,
    ahead: timedelta = timedelta(0),
    only: Collection[int] | None = None,
) -> list[int]:
    """Start every planned run of the account whose moment has come, or comes within `ahead`; return their ids.

    Its texts still wait for their own moments.
    """
    where = [
        runs.c.account_id == account_id,
        runs.c.starts_at <= now + ahead,
        runs.c.planned_at.is_not(None),
        _HAS_TURN,
    ]
    if only is not None:
        where.append(runs.c.id.in_(only))
    due = move_run(RunState.RUNNING, runs.c.state == RunState.SCHEDULED, *where, reason="").values(
        started_at=sa.func.coalesce(
            runs.c.started_at, sa.case((runs.c.starts_at > now, runs.c.starts_at), else_=sa.literal(now, _MOMENT))
        )
    )
    started = list(session.scalars(due.returning(runs.c.id)))
    announce_starts(session, started, now=now)
    return started
