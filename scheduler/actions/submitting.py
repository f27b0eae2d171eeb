"""Campaign files that are submitted: read, then accepted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from campaigns.definition import Definition
from campaigns.definition.reading import placed
from campaigns.problems import CampaignFileError, Problem
from campaigns.take_up import Taken
from scheduler.actions.acting import Actor, asked_by
from scheduler.actions.refusals import Refusal, Refused
from scheduler.intake.outcome import QuotaSpent
from scheduler.intake.taking import read_file, take_up
from worker.runtime import Runtime
from worker.settings.settings import Settings
from worker.store.runs.runs import RunView, run_view


@dataclass(frozen=True, slots=True)
class Submitted:
    """The run of an accepted file, and how it was found; `added`: rows that are new in its tables."""

    run: RunView
    taken: Taken
    added: int


def read_files(paths: Sequence[Path], settings: Settings, *, now: datetime) -> list[tuple[Path, Definition]]:
    """Read the campaigns in these files, each of which has one run. Raises `CampaignFileError` with all problems."""
    definitions: list[tuple[Path, Definition]] = []
    problems: list[Problem] = []
    more = 0
    for path in paths:
        try:
            definition = read_file(path, settings, now=now)
        except CampaignFileError as error:
            problems.extend(error.problems)
            more += error.more
            continue
        if definition.schedule.repeat is not None:
            problem = "makes more than one run, and `run` is for one"
            hint = "put the file into the inbox of a service: campaigns up"
            problems += placed([Problem(path.name, 1, 1, "schedule.repeat", problem, hint)], path)
        definitions.append((path, definition))
    if problems:
        raise CampaignFileError(problems, more)
    return definitions


def submit(runtime: Runtime, actor: Actor, definition: Definition, *, source: str) -> Submitted:
    """Make the runs of a campaign, or continue the existing ones. Raises as `take_up`, and `Refused` for a spent quota.

    `source` is the file's name. A plan is written in many transactions; a later call clears or continues it.
    """
    try:
        with asked_by(actor):
            intake = take_up(runtime, definition, source=source, by=actor)
    except QuotaSpent as spent:
        raise Refused(Refusal.QUOTA_SPENT, str(spent)) from None
    with runtime.store.read() as session:
        return Submitted(run_view(session, intake.run_id), intake.taken, intake.added)
