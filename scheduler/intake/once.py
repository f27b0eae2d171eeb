"""Campaigns that run once: the run is made, replanned or tuned, or gets the new people in its tables."""

from datetime import datetime, timedelta
from functools import partial

from campaigns.access import Actor
from campaigns.codes import RunType
from campaigns.definition import Definition
from campaigns.take_up import PLAN, Taken, decide
from scheduler.intake.extending import extend
from scheduler.intake.outcome import Intake, accepted, count_people, has_quota, note_submitted
from scheduler.intake.planning import Submission, people_of, plan_run
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.runs import plans, repetitions, runs, versions
from worker.store.sending import grants


def take_up_once(
    runtime: Runtime, definition: Definition, *, source: str, dropped_at: datetime | None, by: Actor
) -> Intake:
    """Find or make the run of a campaign that runs once, and plan it; or add the new people in its tables.

    A completed run gets nobody new unless the file itself was dropped again: `dropped_at` is when it was written; None
    means that somebody asks for it now. Raises `EditRefused`, `QuotaSpent`, or `CampaignFileError` while planning.
    """
    # Counted with the run, before it is planned: what a quota refuses leaves no run and changes no plan.
    with runtime.store.read() as session:
        is_limited = has_quota(session, by)
    people = people_of(runtime, definition) if is_limited else 0
    _end_other_runs(runtime, definition, source)
    now = runtime.clock.now()
    begins_at = definition.schedule.begins_at(now)
    ahead = max(timedelta(), (definition.schedule.at_gateway or now) - now)
    follow_seconds = (ahead + definition.follow.until).total_seconds()  # from when the gateway sends, not from now
    with runtime.store.write("register") as session:
        version = versions.register(session, definition, rehearsal=runtime.rehearsal, source=source, now=now)
        found = runs.find_campaign_run(session, definition.campaign, rehearsal=runtime.rehearsal)
        planned = None if found is None else versions.stored_definition(session, found.definition_id)
        decide_now = partial(decide, found, definition, source=source, planned=planned, dropped_at=dropped_at)
        decision = accepted(decide_now(has_sent=found is not None and runs.has_sent(session, found.id)))
        if found is None:
            run_id = runs.create_run(
                session,
                campaign_id=version.campaign_id,
                account_id=runtime.account_id,
                definition_id=version.definition_id,
                starts_at=begins_at,
                follow_seconds=follow_seconds,
                kind=definition.kind,
                now=now,
            )
        else:
            run_id = found.id
            if decision == PLAN and not plans.clear_plan(
                session,
                run_id,
                definition_id=version.definition_id,
                starts_at=begins_at,
                follow_seconds=follow_seconds,
                kind=definition.kind,
            ):
                decision = accepted(decide_now(has_sent=True))  # its first request was made just now
            if decision.taken is Taken.TUNED:
                versions.adopt_definition(session, run_id, version.definition_id)
                grants.wake_run(session, run_id, now=now)
                get_logger().info("run.tuned", campaign=definition.campaign, run=run_id)
        if decision == PLAN:
            count_people(session, by, people, now=now)
        elif found is not None and decision.taken is Taken.TUNED:
            note_submitted(
                session, by, definition, run_id, decision.taken, plan_hash=found.plan_hash, source=source, now=now
            )
    if found is not None and decision.takes_more:
        added = extend(runtime, found, definition, source=source, by=by)
        return Intake(run_id, Taken.EXTENDED if added else decision.taken, added)
    if decision == PLAN:
        plan_run(runtime, run_id, definition, source, submitted=Submission(by, people or 0))
    return Intake(run_id, decision.taken)


def _end_other_runs(runtime: Runtime, definition: Definition, source: str) -> None:
    """Let a campaign that repeated or reminded run once, without surprising anyone who only wants to end it.

    Raises `EditRefused`.
    """
    with runtime.store.read() as session:
        found = runs.find_campaign_run(session, definition.campaign, rehearsal=runtime.rehearsal)
    if found is None or found.type is RunType.ONCE:
        return
    with runtime.store.write("repeat_unbegun") as session:
        stays = repetitions.replace_runs(session, found.campaign_id, by=RunType.ONCE)
        accepted(decide(stays, definition, source=source, has_sent=stays is not None))
        repetitions.forget_repeating(session, found.campaign_id)
