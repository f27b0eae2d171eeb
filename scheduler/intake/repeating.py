"""Campaigns that repeat: a run for each moment, planned shortly before it, or counted as missed."""

from collections.abc import Callable, MutableMapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from campaigns.access import INBOX, SCHEDULER, Actor
from campaigns.codes import RunType, as_moment
from campaigns.definition import Definition
from campaigns.definition.schedule import LocalTime, Schedule
from campaigns.display import shown_time
from campaigns.lifecycle import RunState
from campaigns.planning.approval import to_approve
from campaigns.problems import CampaignFileError
from campaigns.take_up import NO_MOMENT_LEFT, PLAN, Renewal, decide, is_retimed, renewal
from campaigns.timing.missing import Missed, missed_moments
from campaigns.timing.recurrence import recurrence_of
from scheduler.intake.outcome import Intake, accepted, note_submitted, run_of
from scheduler.intake.planning import plan_run
from worker import metrics
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.servers.conditions import trouble_of
from worker.store import audit
from worker.store.events import EventName, record_event
from worker.store.leases import LostLease
from worker.store.runs import approvals, plans, repetitions, runs, versions
from worker.store.runs.repetitions import Firing, Repeating

PLAN_AHEAD: Final = timedelta(minutes=5)
"""How long before its moment a run is planned: a million people take about one minute."""

TRY_AGAIN_AFTER: Final = timedelta(seconds=60)
"""When to plan a run again after a failure, for example because the database was away."""

ZONES_APART: Final = timedelta(hours=26)
"""By people's own clocks, a moment comes up to this much before or after it does in the campaign's zone."""


def take_up_repeating(runtime: Runtime, definition: Definition, *, source: str, by: Actor) -> Intake:
    """Make the runs of a campaign that repeats: a run that has begun continues, later runs use the new version.

    Raises `EditRefused`.
    """
    now = runtime.clock.now()
    with runtime.store.write("repeat_register") as session:
        version = versions.register(session, definition, rehearsal=runtime.rehearsal, source=source, now=now)
        campaign_id, definition_id = version.campaign_id, version.definition_id
        known = repetitions.find_repeating(session, campaign_id)
        is_ended = known is not None and known.is_ended
        stays = None if is_ended else repetitions.replace_runs(session, campaign_id, by=RunType.FIRING)
        decision = accepted(decide(stays, definition, source=source, has_sent=stays is not None, is_ended=is_ended))
        if decision == PLAN:
            since = now if known is None or _is_retimed(session, known, definition.schedule) else known.since
            repetitions.keep_repeating(session, campaign_id, definition_id=definition_id, since=since)
            _renew(session, campaign_id, definition_id, definition, now)
            repeating = repetitions.find_repeating(session, campaign_id)
            if repeating is None:
                raise LookupError(f"the repetition of campaign {campaign_id} was not stored")
            _make_next(session, runtime.account_id, repeating, definition, now)
        run_id = run_of(session, campaign_id, NO_MOMENT_LEFT)
        if decision == PLAN:
            note_submitted(session, by, definition, run_id, decision.taken, plan_hash="", source=source, now=now)
        return Intake(run_id, decision.taken)


def stop(runtime: Runtime, run_id: int, now: datetime) -> bool:
    """Make no more runs of this run's campaign, whose file is gone; False if it does not repeat or has ended.

    Runs that have not begun are forgotten: if the file comes back, its next run is made as if nothing had happened.
    """
    with runtime.store.write("repeat_stop") as session:
        campaign_id = runs.run_view(session, run_id).campaign_id
        known = repetitions.find_repeating(session, campaign_id)
        if known is None or known.is_ended:
            return False
        repetitions.forget_repeating(session, campaign_id)
        open_runs = repetitions.open_runs(session, campaign_id)
        unsent = [open_id for open_id in open_runs if not runs.has_sent(session, open_id)]
        left = repetitions.first_unfinished(session, campaign_id, without=unsent)
        if left is not None:
            repetitions.point_files(session, [run_id, *unsent], to=left)
        for unsent_id in unsent:
            repetitions.discard_run(session, unsent_id)
        audit.append(session, INBOX, "stop", now=now, campaign=known.campaign, run_id=left)
    get_logger().info("repetition.stopped", campaign=known.campaign, at=now.isoformat())
    return True


def repeat(
    runtime: Runtime,
    folder_of: Callable[[Repeating], Path | None],
    now: datetime,
    after: MutableMapping[int, datetime] | None = None,
) -> int:
    """Make, plan or miss what is due for every campaign that repeats; return how many runs were planned.

    `folder_of` returns the folder of a campaign's files; None means it is unknown, and the campaign is left alone.
    `after` holds the time of the next try for campaigns whose planning failed through no fault of their file: the
    others continue.
    """
    with runtime.store.read() as session:
        found = repetitions.all_repeating(session, rehearsal=runtime.rehearsal)
    waits = {} if after is None else after
    planned = 0
    for repeating in found:
        folder = folder_of(repeating)
        if folder is None or waits.get(repeating.campaign_id, now) > now:
            continue
        try:
            planned += _advance(runtime, repeating, folder, now)
        except Exception as error:
            if isinstance(error, LostLease) or trouble_of(error):  # every other campaign would fail the same way
                raise
            get_logger().exception("run.planning_failed", campaign=repeating.campaign)
            waits[repeating.campaign_id] = now + TRY_AGAIN_AFTER
    return planned


def _advance(runtime: Runtime, repeating: Repeating, folder: Path, now: datetime) -> bool:
    definition = runtime.definitions.get(repeating.definition_id).in_folder(folder)
    if definition.schedule.repeat is None:
        return False  # it reminds: its runs are made when a table comes
    policy = runtime.settings.policy
    if policy.added(definition):  # the operator's rules are newer than this version, and also bind its unsent texts
        take_up_repeating(runtime, policy.applied(definition), source=repeating.source, by=SCHEDULER)
        return False
    with runtime.store.read() as session:
        waiting = _unplanned(session, repeating.campaign_id)
        has_next = bool(waiting) or _next_moment(session, repeating, definition.schedule) is not None
    if not waiting:
        if has_next:
            with runtime.store.write("repeat_next") as session:
                _make_next(session, runtime.account_id, repeating, definition, now)
        return False
    firing = waiting[0]
    apart = ZONES_APART if definition.schedule.local_time is LocalTime.RECIPIENT else timedelta()
    if firing.state is not RunState.SCHEDULED or now < firing.moment - PLAN_AHEAD - apart:
        return False
    missed = missed_moments(definition.schedule, firing.moment, now, apart=apart)
    if missed is not None:
        _miss(runtime, repeating, definition, firing, missed, now)
        return False
    return _plan(runtime, repeating, definition, firing)


def _plan(runtime: Runtime, repeating: Repeating, definition: Definition, firing: Firing) -> bool:
    """Plan from the current tables. A run that cannot be planned fails, and the next one is made."""
    with runtime.store.write("repeat_plan") as session:
        # Replan what an earlier process did not finish, or what was planned from another version.
        if not plans.clear_plan(
            session,
            firing.run_id,
            definition_id=repeating.definition_id,
            starts_at=firing.moment,
            follow_seconds=definition.follow.until.total_seconds(),
            kind=definition.kind,
        ):
            return False
    try:
        plan_run(runtime, firing.run_id, definition, repeating.source, firing=firing.moment)
    except CampaignFileError as error:
        get_logger().warning("run.not_planned", campaign=repeating.campaign, run=firing.run_id, problem=str(error))
        return False
    before = as_moment(firing.moment)
    with runtime.store.read() as session:
        are_old = approvals.are_waiting(session, repeating.campaign_id, before=before)
    if are_old:
        with runtime.store.write("repeat_unapproved") as session:
            approvals.cancel_unapproved(session, repeating.campaign_id, before=before, now=runtime.clock.now())
    return True


def _miss(
    runtime: Runtime, repeating: Repeating, definition: Definition, firing: Firing, missed: Missed, now: datetime
) -> None:
    zone = definition.schedule.zone
    reason = f"missed: nothing was running {shown_time(firing.moment, zone)}"
    if missed.count > 1:
        times = f"from {shown_time(firing.moment, zone)} to {shown_time(missed.last, zone)}"
        reason = f"{missed.count:,} runs were missed: nothing was running {times}"
    detail = {"count": missed.count, "first": firing.moment.isoformat(), "last": missed.last.isoformat()}
    with runtime.store.write("repeat_missed") as session:
        if not repetitions.miss_firings(session, firing.run_id, last=missed.last, reason=reason, now=now):
            return
        record_event(session, EventName.RUNS_MISSED, now, run_id=firing.run_id, detail=detail)
        _make_next(session, runtime.account_id, repeating, definition, now)
    metrics.count(metrics.MOMENTS_MISSED, amount=missed.count)
    get_logger().warning("runs.missed", campaign=repeating.campaign, **detail)


def _make_next(
    session: Session, account_id: int, repeating: Repeating, definition: Definition, now: datetime
) -> int | None:
    """Make the run for the next moment unless one is waiting. (campaign, moment) is unique, so it is made once."""
    at = _next_moment(session, repeating, definition.schedule)
    if at is None or _unplanned(session, repeating.campaign_id):
        return None
    try:
        with session.begin_nested():
            run_id = runs.create_run(
                session,
                campaign_id=repeating.campaign_id,
                account_id=account_id,
                definition_id=repeating.definition_id,
                starts_at=at,
                follow_seconds=definition.follow.until.total_seconds(),
                kind=definition.kind,
                now=now,
                type=RunType.FIRING,
                moment=as_moment(at),
            )
    except IntegrityError:
        return None  # another process was first
    if definition.approval:
        approvals.inherit(session, run_id, to_approve(definition, ""))
    return run_id


def _next_moment(session: Session, repeating: Repeating, schedule: Schedule) -> datetime | None:
    recurrence = recurrence_of(schedule)
    last = repetitions.last_moment(session, repeating.campaign_id)
    return recurrence.next_after(max(repeating.since, last or repeating.since)) if recurrence else None


def _unplanned(session: Session, campaign_id: int) -> list[Firing]:
    waiting = repetitions.firings(session, campaign_id, states=[RunState.SCHEDULED, RunState.PAUSED])
    return [firing for firing in waiting if not firing.is_planned]


def _renew(session: Session, campaign_id: int, definition_id: int, definition: Definition, now: datetime) -> None:
    """Replan unsent runs from this version, or forget them if it has no such moment."""
    recurrence = recurrence_of(definition.schedule)
    for firing in repetitions.firings(session, campaign_id, states=repetitions.OPEN):
        has_sent = runs.has_sent(session, firing.run_id)
        match renewal(firing.moment, firing.state, recurrence, has_sent=has_sent, now=now):
            case Renewal.FORGOTTEN:
                repetitions.discard_run(session, firing.run_id)
            case Renewal.PLANNED:
                plans.clear_plan(
                    session,
                    firing.run_id,
                    definition_id=definition_id,
                    starts_at=firing.moment,
                    follow_seconds=definition.follow.until.total_seconds(),
                    kind=definition.kind,
                )
            case Renewal.STAYS:
                pass


def _is_retimed(session: Session, known: Repeating, schedule: Schedule) -> bool:
    return is_retimed(versions.stored_definition(session, known.definition_id).schedule, schedule)
