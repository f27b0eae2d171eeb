"""Campaigns, their versions and their runs: made once, found again by name."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.access import SCHEDULER
from campaigns.codes import DAYS, MADE_BY_FILES, PAUSED, PausedBy, RunType, moment_of, step_of
from campaigns.lifecycle import BatchState, RecipientState, RunState
from worker.logs import get_logger
from worker.store import audit, words
from worker.store.events import EventName
from worker.store.following.failed_texts import drop_cancelled
from worker.store.models import Run
from worker.store.notifications.outbox import announce
from worker.store.tables import accounts, attempts, batches, campaigns, definitions, events, recipients, runs
from worker.store.transitions import changed, move_batch, move_recipients, move_run

ONCE = "once"
"""The moment, and so the name, of the run of a campaign that runs once, whatever its start is edited to."""

IS_OWN: Final = sa.and_(runs.c.parent_id.is_(None), runs.c.root_id.is_(None))
"""Match runs that belong to no other: no resends, and no steps."""

TEST_PREFIX = "test:"
"""Prefix of a campaign's name for its tests. No campaign file can have such a name, because it holds a colon."""


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with the name of its campaign. `reason` is what people see about its state."""

    id: int
    campaign_id: int
    campaign: str
    type: RunType
    moment: str
    kind: str
    rehearsal: bool
    account_id: int
    definition_id: int
    content_hash: str
    source: str
    state: RunState
    paused_by: PausedBy
    reason: str
    starts_at: datetime
    follow_seconds: float
    planned_at: datetime | None
    started_at: datetime | None
    sent_at: datetime | None
    finished_at: datetime | None
    read_requests: int
    plan_summary: dict[str, Any]
    plan_hash: str
    approved_hash: str
    parent_id: int | None  # the run whose failed texts it resends
    root_id: int | None  # the run that it is a step of
    followed_at: datetime | None = None  # it is settling, and waits for nothing but its steps
    currency: str = ""  # of its costs; empty: its account has counted none

    @property
    def fires_at(self) -> datetime | None:
        """Return the moment of a run of a repeating campaign; None for any other."""
        return moment_of(self.moment) if self.type is RunType.FIRING else None

    @property
    def day(self) -> date | None:
        """Return the day of a run that has one: of reminders, or of answers to HELP."""
        return date.fromisoformat(self.moment) if self.type in DAYS else None

    @property
    def is_own(self) -> bool:
        """Whether it belongs to no other run."""
        return self.parent_id is None and self.root_id is None

    @property
    def step(self) -> str:
        """Return the name of its step; "" for a run that is none."""
        return step_of(self.moment)[1] if self.type is RunType.STEP else ""

    @property
    def to_look_at(self) -> int:
        """Return how many rows of its plan call for an approval, whatever its file says."""
        return int(self.plan_summary.get("to_look_at", 0))


VIEW = (
    sa.select(
        runs.c.id,
        runs.c.campaign_id,
        campaigns.c.slug,
        runs.c.type,
        runs.c.moment,
        runs.c.kind,
        campaigns.c.rehearsal,
        runs.c.account_id,
        runs.c.definition_id,
        definitions.c.content_hash,
        definitions.c.source,
        runs.c.state,
        runs.c.paused_by,
        words.RUN,
        runs.c.starts_at,
        runs.c.follow_seconds,
        runs.c.planned_at,
        runs.c.started_at,
        runs.c.sent_at,
        runs.c.finished_at,
        runs.c.read_requests,
        runs.c.plan_summary,
        runs.c.plan_hash,
        runs.c.approved_hash,
        runs.c.parent_id,
        runs.c.root_id,
        runs.c.followed_at,
        sa.func.coalesce(accounts.c.currency, ""),
    )
    .join(campaigns, campaigns.c.id == runs.c.campaign_id)
    .join(accounts, accounts.c.id == runs.c.account_id)
    .join(definitions, definitions.c.id == runs.c.definition_id)
)


def views_of(session: Session, statement: sa.Select[Any], values: Mapping[str, Any] | None = None) -> list[RunView]:
    return [RunView(*row) for row in session.connection().execute(statement, values)]


def run_view(session: Session, run_id: int) -> RunView:
    """Return the run with this id. Raises `LookupError` if there is none."""
    if found := run_views(session, [run_id]):
        return found[run_id]
    raise LookupError(f"there is no run {run_id}")


def run_views(session: Session, run_ids: Collection[int]) -> dict[int, RunView]:
    """Return the runs with these ids, by id; missing ones are left out."""
    return {view.id: view for view in views_of(session, VIEW.where(runs.c.id.in_(run_ids)))} if run_ids else {}


def find_run(session: Session, slug: str) -> RunView | None:
    """Return a campaign's latest run that has begun, or else its latest run.

    Rehearsals count as well: of a rehearsal and the real one, the last one is returned. Steps and resends do not.
    """
    mine = VIEW.where(campaigns.c.slug == slug, IS_OWN)
    views = views_of(session, mine.order_by(runs.c.started_at.is_(None), runs.c.id.desc()).limit(1))
    return views[0] if views else None


def campaign_runs(session: Session, slug: str) -> list[RunView]:
    """Return every run of a campaign and of its rehearsal, the oldest first."""
    return views_of(session, VIEW.where(campaigns.c.slug == slug).order_by(runs.c.id))


def latest_runs(session: Session, campaign_id: int, *, but: int, most: int) -> list[RunView]:
    """Return the last `most` runs of a campaign in the order of their moments, without `but`, steps and resends."""
    query = VIEW.where(runs.c.campaign_id == campaign_id, runs.c.id != but, IS_OWN)
    return views_of(session, query.order_by(runs.c.moment.desc()).limit(most))[::-1]


def find_campaign_run(session: Session, slug: str, *, rehearsal: bool) -> RunView | None:
    """Return the run of exactly this campaign, a rehearsal or the real one; never a step or a resend."""
    query = VIEW.where(campaigns.c.slug == slug, campaigns.c.rehearsal == rehearsal, IS_OWN)
    views = views_of(session, query.order_by(runs.c.id.desc()).limit(1))
    return views[0] if views else None


def runs_of_another_kind(session: Session, campaign_id: int, type: RunType) -> list[RunView]:
    """Return the runs that a campaign's file made before those of this type, in one order for everything that locks."""
    others = runs.c.type.in_(MADE_BY_FILES - {type})
    return views_of(session, VIEW.where(runs.c.campaign_id == campaign_id, others).order_by(runs.c.id))


def runs_of_campaigns(session: Session, campaign_ids: Collection[int]) -> list[RunView]:
    """Return every run of these campaigns, the oldest first."""
    return views_of(session, VIEW.where(runs.c.campaign_id.in_(campaign_ids)).order_by(runs.c.id))


def list_runs(session: Session, states: Collection[RunState] = tuple(RunState)) -> list[RunView]:
    """Return every run in one of the states, the oldest first."""
    return views_of(session, VIEW.where(runs.c.state.in_(list(states))).order_by(runs.c.id))


def create_run(
    session: Session,
    *,
    campaign_id: int,
    account_id: int,
    definition_id: int,
    starts_at: datetime,
    follow_seconds: float,
    kind: str,
    now: datetime,
    type: RunType = RunType.ONCE,
    moment: str = ONCE,
    parent_id: int | None = None,
    **step: Any,
) -> int:
    """Make a run, without a plan yet; `step`: the columns of a step.

    Raises `sqlalchemy.exc.IntegrityError` if the campaign already has it.
    """
    run = Run(
        campaign_id=campaign_id,
        account_id=account_id,
        definition_id=definition_id,
        type=type,
        moment=moment,
        kind=kind,
        parent_id=parent_id,
        state=RunState.SCHEDULED,
        starts_at=starts_at,
        follow_seconds=follow_seconds,
        created_at=now,
        **step,
    )
    session.add(run)
    session.flush()
    return run.id


def has_sent(session: Session, run_id: int) -> bool:
    """Return whether a request of this run was ever prepared, or found at the gateway: its plan is then fixed."""
    if session.scalars(sa.select(attempts.c.id).where(attempts.c.run_id == run_id).limit(1)).first() is not None:
        return True
    found = sa.select(events.c.id).where(events.c.run_id == run_id, events.c.name == EventName.RUN_ACCEPTED_BEFORE)
    return session.scalars(found.limit(1)).first() is not None


def fail_run(session: Session, run_id: int, reason: str, now: datetime) -> bool:
    """Record that planning failed."""
    if not changed(session, move_run(RunState.FAILED, runs.c.id == run_id, reason=reason, finished_at=now)):
        return False
    announce(session, "run.failed", run_id=run_id, now=now, reason=reason)
    return True


def pause_run(session: Session, run_id: int, by: PausedBy, reason: str = "", *, now: datetime) -> bool:
    """Start no new request until somebody resumes the run. False: it is not at work.

    `reason` is for people, if the code of who paused it does not say everything.
    """
    values = {"paused_by": by, "reason": reason, "resume_to": runs.c.state}
    if not changed(session, move_run(RunState.PAUSED, runs.c.id == run_id, **values)):
        return False
    announce(session, "run.paused", run_id=run_id, now=now, reason=reason or PAUSED.get(by, ""))
    if by is not PausedBy.PERSON:  # a person knows, and is audited as the one who asked
        get_logger().warning("run.paused", run=run_id, reason=reason or PAUSED.get(by, ""))
        run = run_view(session, run_id)
        audit.append(session, SCHEDULER, "pause", now=now, campaign=run.campaign, run_id=run_id, detail={"by": by})
    return True


def resume_run(session: Session, run_id: int) -> RunState | None:
    """Let a paused run continue where it was; return its new state. None: it is not paused."""
    resume_to = session.scalars(
        sa.select(runs.c.resume_to).where(runs.c.id == run_id, runs.c.state == RunState.PAUSED)
    ).first()
    if resume_to is None:
        return None
    # A run that was only waiting for receipts goes through `running`: the finish tick settles it again at once.
    to = RunState.SCHEDULED if resume_to == RunState.SCHEDULED else RunState.RUNNING
    statement = move_run(to, runs.c.id == run_id, runs.c.state == RunState.PAUSED, reason="", resume_to="")
    return to if changed(session, statement) else None


def cancel_run(session: Session, run_id: int, reason: str, now: datetime) -> int | None:
    """Never send what was not sent yet; return how many recipients that concerns. None: the run has already ended.

    Its steps are cancelled with it. Texts that were handed to the gateway are still followed; a batch in doubt is still
    looked up.
    """
    if not changed(session, move_run(RunState.CANCELLED, runs.c.id == run_id, reason=reason, sent_at=now)):
        return None
    count = cancel_leftovers(session, run_id)
    steps = sa.select(runs.c.id).where(runs.c.root_id == run_id, runs.c.finished_at.is_(None)).order_by(runs.c.id)
    return count + sum(cancel_run(session, id_, reason, now) or 0 for id_ in session.scalars(steps).all())


def cancel_leftovers(session: Session, run_id: int) -> int:
    """Cancel what a cancelled run has not sent, including people who have become `pending` again; return how many.

    Harmless for a run that is not cancelled: it changes nothing there.
    """
    reason = session.scalars(
        sa.select(runs.c.reason).where(runs.c.id == run_id, runs.c.state == RunState.CANCELLED)
    ).first()
    if reason is None:
        return 0
    # A held batch may have gone to a contact list: it stays for a person to decide, and was not "never sent".
    unsent_batches = (batches.c.run_id == run_id, batches.c.state != BatchState.HELD)
    session.execute(move_batch(BatchState.CANCELLED, *unsent_batches, reason=reason))
    drop_cancelled(session, run_id)
    unsent = (recipients.c.run_id == run_id, recipients.c.state == RecipientState.PENDING)
    return changed(session, move_recipients(RecipientState.CANCELLED, *unsent, reason=reason))
