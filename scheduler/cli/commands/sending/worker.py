"""`worker`: sending what the scheduler queued."""

import typer

from scheduler.cli.options import JsonLogs
from scheduler.cli.settings import service_settings
from scheduler.processes.stopping import stop_signals


def worker(json: JsonLogs = False) -> None:
    """Send what the scheduler queued; needs Redis.

    Any number of workers, on any number of machines, share the work.
    """
    with stop_signals() as stop:
        from scheduler.processes.services.worker import serve_worker

        raise typer.Exit(serve_worker(service_settings(json), stop))
