"""`dashboard`: the server at CAMPAIGNS_HTTP."""

import typer

from scheduler.cli.options import JsonLogs
from scheduler.cli.settings import service_settings
from scheduler.processes.stopping import stop_signals


def dashboard(json: JsonLogs = False) -> None:
    """Listen at CAMPAIGNS_HTTP: the gateway's webhook for replies, and /healthz.

    `up` listens there by itself. Any number of these may run.
    """
    with stop_signals() as stop:
        from scheduler.processes.service import serve_dashboard
        from scheduler.web.serving import listen
        from worker.settings.settings import SettingsError

        settings = service_settings(json)
        if not settings.http:
            raise SettingsError("nothing says where to listen: set CAMPAIGNS_HTTP, such as 127.0.0.1:8080")
        raise typer.Exit(serve_dashboard(settings, stop, listen(settings.http)))
