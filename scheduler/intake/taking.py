"""From a campaign file to planned runs, the same way for `campaigns run` and for the inbox."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from campaigns.access import INBOX, Actor
from campaigns.checking import check_file
from campaigns.codes import RunType
from campaigns.definition import Definition
from campaigns.take_up import TakeUp, decide
from scheduler.intake.earlier import problem_in
from scheduler.intake.once import take_up_once
from scheduler.intake.outcome import Intake, accepted
from scheduler.intake.reminding import take_up_reminders
from scheduler.intake.repeating import take_up_repeating
from worker.runtime import Runtime
from worker.settings.settings import Settings
from worker.store.runs import repetitions, runs, versions
from worker.store.runs.runs import RunView


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a file would become now, and the latest run of its campaign, if any."""

    decision: TakeUp
    run: RunView | None


def read_file(path: Path, settings: Settings, *, now: datetime | None = None, inbox: Path | None = None) -> Definition:
    """Read the definition in a campaign file, with `now` and `inbox` as in `check_file`. Raises `CampaignFileError`."""
    policy = settings.policy
    return check_file(path, timezone=settings.timezone, region=settings.region, now=now, policy=policy, inbox=inbox)


def read_known_file(runtime: Runtime, path: Path, *, now: datetime, inbox: Path) -> Definition:
    """Like `read_file`, and refuse a file whose audience is a campaign that has not begun."""
    settings = runtime.settings
    return check_file(
        path,
        timezone=settings.timezone,
        region=settings.region,
        now=now,
        policy=settings.policy,
        inbox=inbox,
        earlier=problem_in(runtime.store, rehearsal=runtime.rehearsal),
    )


def take_up(
    runtime: Runtime, definition: Definition, *, source: str, dropped_at: datetime | None = None, by: Actor = INBOX
) -> Intake:
    """Make the runs of a campaign, or continue the existing ones; what was sent is never sent again.

    `source` is the name of the file for people. `dropped_at` is when it was written; None means that somebody asks for
    it now. `by` is who submits it. Raises `EditRefused`, or `CampaignFileError` while planning.
    """
    if definition.run_type is RunType.REMINDER_DAY:
        return take_up_reminders(runtime, definition, source=source, by=by)
    if definition.run_type is RunType.FIRING:
        return take_up_repeating(runtime, definition, source=source, by=by)
    return take_up_once(runtime, definition, source=source, dropped_at=dropped_at, by=by)


def would_take_up(runtime: Runtime, definition: Definition, *, source: str) -> Prospect:
    """Return what `take_up` would make of the file if somebody asked for it now; changes nothing. Raises `EditRefused`.

    Decided again when it is taken up, because a run may have begun to send by then.
    """
    makes = definition.run_type
    with runtime.store.read() as session:
        found = runs.find_campaign_run(session, definition.campaign, rehearsal=runtime.rehearsal)
        if found is None:
            return Prospect(accepted(decide(None, definition, source=source)), None)
        known = repetitions.find_repeating(session, found.campaign_id)
        is_ended = known is not None and known.is_ended and makes is not RunType.ONCE
        others = [] if is_ended else runs.runs_of_another_kind(session, found.campaign_id, makes)
        stays = next((run for run in others if runs.has_sent(session, run.id)), None)
        if stays is not None:
            decision = decide(stays, definition, source=source, has_sent=True)
        elif found.type is RunType.ONCE and makes is RunType.ONCE:
            planned = versions.stored_definition(session, found.definition_id)
            has_sent = runs.has_sent(session, found.id)
            decision = decide(found, definition, source=source, has_sent=has_sent, planned=planned)
        else:
            decision = decide(None, definition, source=source, is_ended=is_ended)
    return Prospect(accepted(decision), found)
