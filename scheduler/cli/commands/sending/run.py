"""`run`: campaigns from their files to their end."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scheduler.cli.options import Sandbox
from scheduler.cli.rendering.output import print_groups, print_json, print_run, warn
from scheduler.exits import Exit

if TYPE_CHECKING:
    from scheduler.processes.run_to_end import Outcome


def run(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Campaign files (YAML).")],
    sandbox: Sandbox = False,
    json: Annotated[
        bool, typer.Option("--json", help="End with one JSON object per campaign on standard output.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every request to standard error.")] = False,
) -> None:
    """Plan, send and follow campaigns to their end, then report.

    A run that was interrupted picks up where it left off; one that is completed says so and sends nothing.
    """
    # Commands import what they need here, so that `--help` is fast.
    import logging

    from rich.console import Console

    from scheduler.cli.rendering.live import LiveProgress
    from scheduler.cli.settings import sending_settings
    from scheduler.cli.user import this_user
    from scheduler.processes.rehearsal import private_sandbox, rehearsal_settings
    from scheduler.processes.running import run_files
    from worker.logs import configure_logs

    settings = sending_settings()
    configure_logs(settings.log_format, level=logging.INFO if verbose else logging.ERROR)
    if sandbox:
        settings = rehearsal_settings(settings)
    console = Console(stderr=True)
    with (
        private_sandbox(settings) if sandbox else nullcontext() as gateway,
        LiveProgress(console, enabled=console.is_terminal and not verbose) as live,
    ):
        outcome = run_files(
            files,
            settings,
            this_user(),
            sandbox=gateway,
            told=lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True),
            shown=live.show,
        )
    print_outcome(outcome, as_json=json)
    if outcome.exit_code == Exit.INTERRUPTED:
        warn("interrupted: nothing more is sent by this command; run it again, and it picks up where it left off")
    raise typer.Exit(outcome.exit_code)


def print_outcome(outcome: "Outcome", *, as_json: bool) -> None:
    """Print why it was stopped, if it was, and each run; as JSON, one object each."""
    from scheduler.report.summary import run_summary, with_steps_words
    from scheduler.report.variants import outcome_table

    if outcome.reason:
        warn(outcome.reason)
    for progress in outcome.progress:
        summary = run_summary(progress.run, progress.books, progress.groups, awaits=progress.awaits)
        if as_json:
            print_json(summary)
        else:
            print_run(summary, with_steps=with_steps_words(progress.whole, progress.run.currency))
            print_groups(*outcome_table(progress.groups))
