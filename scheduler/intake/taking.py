"""From a campaign file to planned runs, the same way for `campaigns run` and for the inbox."""

from datetime import datetime
from pathlib import Path

from campaigns.access import INBOX, Actor
from campaigns.checking import check_file
from campaigns.codes import RunType
from campaigns.definition import Definition
from scheduler.intake.once import take_up_once
from scheduler.intake.outcome import Intake
from scheduler.intake.reminding import take_up_reminders
from scheduler.intake.repeating import take_up_repeating
from worker.runtime import Runtime
from worker.settings.settings import Settings


def read_file(path: Path, settings: Settings, *, now: datetime | None = None, inbox: Path | None = None) -> Definition:
    """Read the definition in a campaign file, with `now` and `inbox` as in `check_file`. Raises `CampaignFileError`."""
    policy = settings.policy
    return check_file(path, timezone=settings.timezone, region=settings.region, now=now, policy=policy, inbox=inbox)


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
