"""`campaigns run`: plan, send and follow some campaigns to their end in this one process."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import SecretStr

from campaigns.clock import SystemClock
from campaigns.counting import amount
from campaigns.definition import Definition
from campaigns.lifecycle import RunState
from campaigns.problems import CampaignFileError, Problem
from scheduler.exits import Exit
from scheduler.inbox.foreign import require_own
from scheduler.intake.outcome import EditRefused, Taken
from scheduler.intake.taking import read_file, take_up
from scheduler.processes.completing import Outcome, OwnRuns, Progress, account_stop, bring_to_end, own_runs
from worker.settings import Settings
from worker.store import runs


def run_files(
    paths: Sequence[Path],
    settings: Settings,
    *,
    sandbox: tuple[str, SecretStr] | None,
    told: Callable[[str], None],
    shown: Callable[[Sequence[Progress]], None],
) -> Outcome:
    """Run campaign files to their end. `told` takes sentences for the user, `shown` the progress five times a second.

    Every file is checked before anything is sent. Raises `CampaignFileError` with the problems of all files,
    `EditRefused`, `OfAnotherInstallation`, `SettingsError`, `StoreError`.
    """
    definitions = _read_all(paths, settings)
    with own_runs(settings, sandbox) as own:
        problem = account_stop(own.runtime)
        if problem:
            return Outcome(Exit.STOPPED, (), problem)
        for path, definition in definitions:
            require_own(own.runtime, path, definition.campaign)
        _take_up_all(own, definitions, told)
        return bring_to_end(own, shown)


def _read_all(paths: Sequence[Path], settings: Settings) -> list[tuple[Path, Definition]]:
    now = SystemClock().now()
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
            problem = "makes a run again and again, and `run` is for one"
            hint = "put the file into the inbox of a service: campaigns up"
            problems.append(Problem(path.name, 1, 1, "schedule.repeat", problem, hint))
        definitions.append((path, definition))
    if problems:
        raise CampaignFileError(problems, more)
    return definitions


def _take_up_all(own: OwnRuns, definitions: Sequence[tuple[Path, Definition]], told: Callable[[str], None]) -> None:
    runtime = own.runtime
    for path, definition in definitions:
        intake = take_up(runtime, definition, source=path.name)
        own.ids.add(intake.run_id)
        with runtime.store.read() as session:
            run = runs.run_view(session, intake.run_id)
        if intake.taken is Taken.PLANNED:
            for warning in run.plan_summary.get("warnings", ()):
                told(f"{run.campaign}: {warning}")
        if intake.taken is Taken.OVER:
            told(f"{run.campaign} is {run.state.value} already; nothing is sent")
        elif intake.taken is Taken.EXTENDED:
            added = amount(intake.added, "row that is", "rows that are")
            told(f"{run.campaign} goes on with {added} new in its tables")
        elif intake.taken is Taken.CONTINUED:
            told(f"{run.campaign} was interrupted; it goes on where it was")
        elif intake.taken is Taken.TUNED:
            told(f"{run.campaign} was interrupted; it goes on where it was, with the limits of the edited file")
        if run.state is RunState.PAUSED:
            raise EditRefused(
                f"{run.campaign} is paused ({run.reason or 'by somebody'}); "
                f"let it go on with: campaigns resume {run.campaign}"
            )
