"""Campaigns that run once: the run is made, planned anew, tuned, or gets who is new in its tables."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from campaigns.codes import RunType
from campaigns.definition import Definition
from campaigns.lifecycle import RunState
from scheduler.intake.extending import extend, may_extend
from scheduler.intake.outcome import EditRefused, Intake, Taken
from scheduler.intake.planning import plan_run, suppressed_in
from worker.limits import limits_of
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store import grants, plans, runs, versions
from worker.store.runs import RunView


def take_up_once(runtime: Runtime, definition: Definition, *, source: str, dropped_at: datetime | None) -> Intake:
    """Find or make the run of a campaign that runs once, and plan it; or add to it who is new in its tables.

    To a run that is completed nobody is added unless the file itself was dropped again: `dropped_at` is when it was
    written, None: somebody asks for it now. Raises `EditRefused`, or `CampaignFileError` while planning.
    """
    now = runtime.clock.now()
    ahead = max(timedelta(), (definition.schedule.at_gateway or now) - now)
    begins = _Begins(
        definition.schedule.begins_at(now),
        (ahead + definition.follow.until).total_seconds(),  # from when the gateway sends, not from now
    )
    with runtime.store.write("register") as session:
        version = versions.register(session, definition, rehearsal=runtime.rehearsal, source=source, now=now)
        found = runs.find_campaign_run(session, definition.campaign, rehearsal=runtime.rehearsal)
        if found is None:
            taken = Taken.PLANNED
            run_id = runs.create_run(
                session,
                campaign_id=version.campaign_id,
                account_id=runtime.account_id,
                definition_id=version.definition_id,
                starts_at=begins.at,
                follow_seconds=begins.follow_seconds,
                kind=definition.kind,
                now=now,
            )
        else:
            run_id, planned = found.id, versions.stored_definition(session, found.definition_id)
            taken = _renew(session, found, planned, definition, version.definition_id, begins)
            if taken is Taken.TUNED:
                grants.wake_run(session, run_id, now=now)
                get_logger().info("run.tuned", campaign=definition.campaign, run=run_id)
            if taken is not Taken.PLANNED and not _takes_more(found, planned, definition, dropped_at):
                return Intake(run_id, taken)
    if found is not None and taken is not Taken.PLANNED:
        added = extend(
            runtime,
            found,
            definition,
            source=source,
            limits=limits_of(definition, runtime.settings),
            suppressed=suppressed_in(runtime.store, definition),
        )
        return Intake(run_id, Taken.EXTENDED, added) if added else Intake(run_id, taken)
    if runtime.only_runs is not None:
        runtime.only_runs.add(run_id)
    plan_run(runtime, run_id, definition, source)
    return Intake(run_id, Taken.PLANNED)


@dataclass(frozen=True, slots=True)
class _Begins:
    """When a run starts, and for how long its receipts are waited for after the last text has left."""

    at: datetime
    follow_seconds: float


def _renew(
    session: Session, found: RunView, planned: Definition, definition: Definition, definition_id: int, begins: _Begins
) -> Taken:
    """What this version means for the run there is, of which `planned` is the version; cleared if it is to be planned.

    Raises `EditRefused`.
    """
    taken = _may_replan(found, planned, definition, has_sent=runs.has_sent(session, found.id))
    if taken is Taken.PLANNED and not plans.clear_plan(
        session,
        found.id,
        definition_id=definition_id,
        starts_at=begins.at,
        follow_seconds=begins.follow_seconds,
        kind=definition.kind,
    ):
        taken = _may_replan(found, planned, definition, has_sent=True)  # its first request was made just now
    if taken is Taken.TUNED:
        runs.adopt_definition(session, found.id, definition_id)
    return taken


def _takes_more(found: RunView, planned: Definition, definition: Definition, dropped_at: datetime | None) -> bool:
    """Whether new people are added to a run: not to one that was cancelled, nor because its table was used again."""
    is_same = _without_limits(planned).content_hash == _without_limits(definition).content_hash
    if not (is_same and may_extend(definition)):
        return False
    if found.state is RunState.COMPLETED and found.finished_at is not None and dropped_at is not None:
        return dropped_at > found.finished_at
    return found.state is not RunState.CANCELLED and found.type is RunType.ONCE


def _may_replan(found: RunView, planned: Definition, definition: Definition, *, has_sent: bool) -> Taken:
    if found.state in {RunState.COMPLETED, RunState.CANCELLED}:
        return Taken.OVER
    if not has_sent:
        return Taken.PLANNED
    if found.content_hash == definition.content_hash:
        return Taken.CONTINUED
    if _without_limits(planned).content_hash == _without_limits(definition).content_hash:
        return Taken.TUNED
    raise EditRefused(
        f"{found.source} was changed after {found.campaign} began to send; it goes on as it was planned. "
        "Undo the change, or cancel the campaign and give the new version another name; "
        "only rate, daily and monthly below throughput may change while it runs"
    )


def _without_limits(definition: Definition) -> Definition:
    """What a plan is made of: limits decide only when its requests go."""
    throughput = definition.throughput.model_copy(update={"rate": None, "daily": None, "monthly": None})
    return definition.model_copy(update={"throughput": throughput})
