"""`run`, `up`, `worker`, `scheduler`, `dashboard`: the commands that send and serve."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scheduler.cli.rendering.output import print_groups, print_json, print_run, warn
from scheduler.exits import Exit
from scheduler.processes.stopping import stop_signals

if TYPE_CHECKING:
    from scheduler.processes.completing import Outcome
    from worker.settings import Settings

SANDBOX = Annotated[bool, typer.Option("--sandbox", help="Send to a private sandbox gateway; needs no setting at all.")]

JSON_LOGS = Annotated[bool, typer.Option("--json", help="Log as JSON lines, whatever CAMPAIGNS_LOG_FORMAT says.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(run)
    app.command()(up)
    app.command()(worker)
    app.command()(scheduler)
    app.command()(dashboard)


def run(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Campaign files (YAML).")],
    sandbox: SANDBOX = False,
    json: Annotated[
        bool, typer.Option("--json", help="End with one JSON object per campaign on standard output.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every request to standard error.")] = False,
) -> None:
    """Plan, send and follow campaigns to their end, then report.

    A run that was interrupted goes on where it was; one that is completed says so and sends nothing.
    """
    # Commands import what they need, so that `--help` is fast.
    import logging

    from rich.console import Console

    from scheduler.cli.rendering.live import LiveProgress
    from scheduler.processes.rehearsal import private_sandbox, rehearsal_settings
    from scheduler.processes.running import run_files
    from worker.logs import configure_logs
    from worker.settings import load_settings

    settings = load_settings()
    configure_logs(settings.log_format, level=logging.INFO if verbose else logging.ERROR)
    if sandbox:
        settings = rehearsal_settings(settings)
    console = Console(stderr=True)
    with (
        private_sandbox(settings) if sandbox else nullcontext() as gateway,
        LiveProgress(console, enabled=console.is_terminal and not verbose) as live,
    ):
        outcome = run_files(
            files, settings, sandbox=gateway, told=lambda line: console.print(line, highlight=False), shown=live.show
        )
    _report(outcome, as_json=json)
    if outcome.exit_code == Exit.INTERRUPTED:
        warn("interrupted: nothing more is sent by this command; run it again, and it goes on where it was")
    raise typer.Exit(outcome.exit_code)


def up(sandbox: SANDBOX = False, json: JSON_LOGS = False) -> None:
    """Run the whole service in this one process.

    Inbox, schedule, sending and following, until it is stopped. Needs neither Redis nor PostgreSQL.
    """
    with stop_signals() as stop:  # before what takes a second to import: a container may be stopped at once
        from scheduler.processes.rehearsal import private_sandbox, rehearsal_settings
        from scheduler.processes.service import serve_all
        from scheduler.web.app import WEBHOOK
        from scheduler.web.serving import listen, url_of

        settings = _service_settings(json)
        if not sandbox:
            raise typer.Exit(serve_all(settings, stop, listener=listen(settings.http) if settings.http else None))
        settings = rehearsal_settings(settings)
        listener = listen(settings.http or "127.0.0.1:0")
        webhook = url_of(listener) + WEBHOOK
        # A sandbox calls nobody outside of this machine; polling finds replies all the same.
        with private_sandbox(settings, webhook=webhook if "//127." in webhook else None) as gateway:
            raise typer.Exit(serve_all(settings, stop, gateway, listener))


def worker(json: JSON_LOGS = False) -> None:
    """Send what the scheduler queued; needs Redis.

    Any number of workers, on any number of machines, share the work.
    """
    with stop_signals() as stop:
        from scheduler.processes.service import serve_worker

        raise typer.Exit(serve_worker(_service_settings(json), stop))


def scheduler(json: JSON_LOGS = False) -> None:
    """Watch the inbox, fill the queue, follow receipts; needs Redis.

    Of several schedulers one works and the others stand by.
    """
    with stop_signals() as stop:
        from scheduler.processes.service import serve_scheduler

        raise typer.Exit(serve_scheduler(_service_settings(json), stop))


def dashboard(json: JSON_LOGS = False) -> None:
    """Listen at CAMPAIGNS_HTTP: the gateway's webhook for replies, and /healthz.

    `up` listens there by itself. Any number of these may run.
    """
    with stop_signals() as stop:
        from scheduler.processes.service import serve_dashboard
        from scheduler.web.serving import listen
        from worker.settings import SettingsError

        settings = _service_settings(json)
        if not settings.http:
            raise SettingsError("nothing says where to listen: set CAMPAIGNS_HTTP, such as 127.0.0.1:8080")
        raise typer.Exit(serve_dashboard(settings, stop, listen(settings.http)))


def _service_settings(as_json: bool) -> "Settings":
    from worker.logs import configure_logs
    from worker.settings import load_settings

    settings = load_settings()
    configure_logs("json" if as_json else settings.log_format)
    return settings


def _report(outcome: "Outcome", *, as_json: bool) -> None:
    from scheduler.report.summary import run_summary

    if outcome.reason:
        warn(outcome.reason)
    for progress in outcome.progress:
        summary = run_summary(progress.run, progress.books, progress.groups, awaits=progress.awaits)
        if as_json:
            print_json(summary)
        else:
            print_run(summary)
            print_groups(progress.groups)
