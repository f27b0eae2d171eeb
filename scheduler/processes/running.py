"""`campaigns run`: plan, send and follow some campaigns to their end in this one process."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import SecretStr

from campaigns.clock import SystemClock
from campaigns.counting import amount
from campaigns.definition import Definition
from campaigns.definition.reading import at_keys
from campaigns.lifecycle import RunState
from campaigns.take_up import EditCode, Refuse, Taken
from scheduler.actions.acting import Actor
from scheduler.actions.submitting import read_files, submit
from scheduler.exits import Exit
from scheduler.inbox.foreign import require_own
from scheduler.intake.outcome import EditRefused
from scheduler.intake.plan_warnings import unpriced
from scheduler.processes.progress import Progress
from scheduler.processes.run_to_end import Outcome, OwnRuns, account_stop, bring_to_end, own_runs
from worker.limits.money import money_budgets
from worker.settings.settings import Settings


def run_files(
    paths: Sequence[Path],
    settings: Settings,
    actor: Actor,
    *,
    sandbox: tuple[str, SecretStr] | None,
    told: Callable[[str], None],
    shown: Callable[[Sequence[Progress]], None],
) -> Outcome:
    """Run campaign files to their end. `told` gets sentences for the user, `shown` the progress five times a second.

    Every file is checked before anything is sent. Raises `CampaignFileError` with the problems of all files,
    `EditRefused`, `OfAnotherInstallation`, `SettingsError`, `StoreError`.
    """
    files = read_files(paths, settings, now=SystemClock().now())
    with own_runs(settings, sandbox) as own:
        problem = account_stop(own.runtime)
        if problem:
            return Outcome(Exit.STOPPED, (), problem)
        for path, definition in files:
            require_own(own.runtime, path, definition.campaign)
        _submit_all(own, actor, files, told)
        return bring_to_end(own, shown)


def _submit_all(
    own: OwnRuns, actor: Actor, files: Sequence[tuple[Path, Definition]], told: Callable[[str], None]
) -> None:
    for path, definition in files:
        with at_keys(path):
            done = submit(own.runtime, actor, definition, source=path.name)
        run = done.run
        own.add(run, is_planned=done.taken is Taken.PLANNED)
        if done.taken is Taken.PLANNED:
            budgets = money_budgets(own.runtime.ceilings.current(), own.runtime.settings.zone, definition)
            now = unpriced(own.runtime.prices, budgets, definition)
            for warning in (*run.plan_summary.get("warnings", ()), *now):
                told(f"{run.campaign}: {warning}")
        elif done.taken is Taken.OVER:
            told(f"{run.campaign} is already {run.state.value}; nothing is sent")
        elif done.taken is Taken.KEPT:
            told(f"{run.campaign} is planned already, and its plan stays as it is; edit the file for a new one")
        elif done.taken is Taken.EXTENDED:
            added = amount(done.added, "row that is", "rows that are")
            told(f"{run.campaign} continues with {added} new in its tables")
        elif done.taken is Taken.CONTINUED:
            told(f"{run.campaign} was interrupted; it picks up where it left off")
        elif done.taken is Taken.TUNED:
            told(f"{run.campaign} was interrupted; it picks up where it left off, with the limits of the edited file")
        if run.state is RunState.PAUSED:
            sentence = (
                f"{run.campaign} is paused ({run.reason or 'by somebody'}); "
                f"resume it with: campaigns resume {run.campaign}"
            )
            raise EditRefused(Refuse(EditCode.PAUSED, sentence))
