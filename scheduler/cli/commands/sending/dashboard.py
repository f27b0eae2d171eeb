"""`dashboard`: the server at CAMPAIGNS_HTTP and CAMPAIGNS_WEBHOOK_HTTP."""

import typer

from scheduler.cli.options import JsonLogs
from scheduler.cli.rendering.output import tell_if_read
from scheduler.cli.settings import service_settings
from scheduler.processes.stopping import stop_signals


def dashboard(json: JsonLogs = False) -> None:
    """Listen at CAMPAIGNS_HTTP: the API, the gateway's webhook for replies, and /healthz.

    With CAMPAIGNS_WEBHOOK_HTTP the webhook has an address of its own. `up` listens by itself. Any number of these may
    run.
    """
    with stop_signals() as stop:
        from campaigns.clock import SystemClock
        from scheduler.doctor.checkup import Checkup
        from scheduler.processes.doors import listeners
        from scheduler.processes.services.dashboard import serve_dashboard
        from worker.settings.settings import SettingsError

        settings = service_settings(json)
        if not settings.http and not settings.webhook_http:
            raise SettingsError("nothing says where to listen: set CAMPAIGNS_HTTP, such as 127.0.0.1:8080")
        raise typer.Exit(serve_dashboard(settings, stop, listeners(settings), tell_if_read, Checkup(SystemClock())))
