"""Plans that wait until somebody approves exactly this plan."""

from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.access import SCHEDULER
from campaigns.codes import RunType
from campaigns.lifecycle import RunState
from campaigns.planning.approval import Approvable
from worker.logs import get_logger
from worker.store import audit
from worker.store.events import EventName, record_event
from worker.store.notifications.outbox import announce
from worker.store.runs.runs import RunView, cancel_run, run_view
from worker.store.tables import events, runs
from worker.store.transitions import changed, move_run

NOT_IN_TIME: Final = "nobody approved it before the next run was due"


def await_approval(session: Session, run_id: int, plan: Approvable, now: datetime) -> bool:
    """Let the run start only once its plan is approved; return False if it already is."""
    if inherit(session, run_id, plan.approval):
        return False
    moved = move_run(RunState.AWAITING_APPROVAL, runs.c.id == run_id, runs.c.state == RunState.SCHEDULED)
    waits = changed(session, moved)
    if not any(known.approval == plan.approval for known in approvables(session, run_id)):
        record_event(session, EventName.PLAN_WAITS, now, run_id=run_id, detail=plan.to_json())
    if waits:
        announce(session, "run.awaiting_approval", run_id=run_id, now=now, key=f"approval:{run_id}:{plan.approval}")
    return True


def inherit(session: Session, run_id: int, approval: str) -> bool:
    """Return whether this was approved, for this run or another one of its campaign: a repeating one needs one only."""
    this = sa.select(runs.c.campaign_id).where(runs.c.id == run_id).scalar_subquery()
    query = (
        sa.select(runs.c.approved_at)
        .where(runs.c.campaign_id == this, runs.c.approved_hash == approval)
        .order_by(runs.c.id != run_id)
        .limit(1)
    )
    row = session.scalars(query).first()
    if row is None:
        return False
    session.execute(sa.update(runs).where(runs.c.id == run_id).values(approved_hash=approval, approved_at=row))
    return True


def approval_of(session: Session, run: RunView) -> tuple[str, datetime] | None:
    """Return who approved the plan of a run, and when; None: nobody did. A repeating campaign needs it only once."""
    its = sa.select(runs.c.id).where(runs.c.campaign_id == run.campaign_id, runs.c.approved_hash == run.approved_hash)
    query = (
        sa.select(events.c.detail, events.c.at)
        .where(events.c.run_id.in_(its), events.c.name == EventName.PLAN_APPROVED)
        .order_by(events.c.id.desc())
    )
    if not run.approved_hash:
        return None
    approved = ((detail["by"], at) for detail, at in session.execute(query) if detail["plan"] == run.approved_hash)
    return next(approved, None)


def hold_unapproved(
    session: Session,
    account_id: int,
    definition_id: int,
    approval: str | None,
    *,
    only_doubtful: bool = False,
    only_once: bool = False,
    until: datetime,
    now: datetime,
) -> list[int]:
    """Hold runs of this version of a file that are due by `until` and not approved; return their ids.

    `approval` is what had to be approved; None: the plan of each. `only_doubtful`: only runs whose plan holds something
    to look at. `only_once`: no runs of the campaign that were made by hand, such as a test.
    """
    wanted = runs.c.plan_hash if approval is None else sa.literal(approval)
    due = (
        runs.c.account_id == account_id,
        runs.c.definition_id == definition_id,
        runs.c.root_id.is_(None),  # the approved plan of a run has the texts of its steps
        runs.c.state == RunState.SCHEDULED,
        runs.c.starts_at <= until,
        runs.c.planned_at.is_not(None),
        sa.or_(runs.c.approved_hash == "", runs.c.approved_hash != wanted),
        *((runs.c.plan_summary["to_look_at"].as_integer() > 0,) if only_doubtful else ()),
        *((runs.c.type == RunType.ONCE,) if only_once else ()),
    )
    held = move_run(RunState.AWAITING_APPROVAL, *due).returning(runs.c.id, runs.c.plan_hash)
    waiting = {run_id: approval or plan_hash for run_id, plan_hash in session.execute(held).all()}
    for run_id, plan in waiting.items():  # once per plan: it may have been reported when it was made
        announce(session, "run.awaiting_approval", run_id=run_id, now=now, key=f"approval:{run_id}:{plan}")
        get_logger().info("run.awaits_approval", run=run_id)
    return list(waiting)


def approve(session: Session, run_id: int, approval: str, *, by: str, now: datetime) -> None:
    """Record an approval: the run starts at its moment. The caller has locked the run and compared its plan."""
    session.execute(sa.update(runs).where(runs.c.id == run_id).values(approved_hash=approval, approved_at=now))
    session.execute(move_run(RunState.SCHEDULED, runs.c.id == run_id, runs.c.state == RunState.AWAITING_APPROVAL))
    record_event(session, EventName.PLAN_APPROVED, now, run_id=run_id, detail={"plan": approval, "by": by})


def cancel_unapproved(session: Session, campaign_id: int, *, before: str, now: datetime) -> int:
    """Cancel a repeating campaign's unapproved runs with a moment (by name) before this one; return how many.

    Otherwise an approval after a week would send everybody seven texts at once.
    """
    waiting = session.scalars(sa.select(runs.c.id).where(*_waiting(campaign_id, before))).all()
    cancelled = [run_id for run_id in waiting if cancel_run(session, run_id, NOT_IN_TIME, now) is not None]
    for run_id in cancelled:
        run = run_view(session, run_id)
        audit.append(session, SCHEDULER, "cancel", now=now, campaign=run.campaign, run_id=run_id)
    return len(cancelled)


def are_waiting(session: Session, campaign_id: int, *, before: str) -> bool:
    """Return whether there are such runs."""
    return session.scalars(sa.select(runs.c.id).where(*_waiting(campaign_id, before)).limit(1)).first() is not None


def _waiting(campaign_id: int, before: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        runs.c.campaign_id == campaign_id,
        runs.c.state == RunState.AWAITING_APPROVAL,
        runs.c.type == RunType.FIRING,
        runs.c.moment < before,
    )


def approvables(session: Session, run_id: int) -> list[Approvable]:
    """Return what there was to approve of a run so far, the oldest first."""
    query = (
        sa.select(events.c.detail)
        .where(events.c.run_id == run_id, events.c.name == EventName.PLAN_WAITS)
        .order_by(events.c.id)
    )
    return [Approvable.from_json(detail) for detail in session.scalars(query)]
