"""`scheduler`: inbox, schedule and receipts."""

import typer

from scheduler.cli.options import JsonLogs
from scheduler.cli.settings import service_settings
from scheduler.processes.stopping import stop_signals


def scheduler(json: JsonLogs = False) -> None:
    """Watch the inbox, fill the queue, follow receipts; needs Redis.

    Of several schedulers one works and the others stand by.
    """
    with stop_signals() as stop:
        from scheduler.processes.services.clock import serve_scheduler

        raise typer.Exit(serve_scheduler(service_settings(json), stop))
