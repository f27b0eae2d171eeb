"""`up`: the whole service in one process."""

import typer

from scheduler.cli.options import JsonLogs, Sandbox
from scheduler.cli.rendering.output import tell_if_read
from scheduler.cli.settings import service_settings
from scheduler.processes.stopping import stop_signals


def up(sandbox: Sandbox = False, json: JsonLogs = False) -> None:
    """Run the whole service in this one process.

    Inbox, schedule, sending and following, until it is stopped. Needs neither Redis nor PostgreSQL.
    """
    with stop_signals() as stop:  # before imports that take a second: a container may be stopped at once
        from campaigns.clock import SystemClock
        from scheduler.doctor.checkup import Checkup
        from scheduler.processes.doors import listeners
        from scheduler.processes.rehearsal import private_sandbox, rehearsal_settings
        from scheduler.processes.services.clock import serve_all
        from scheduler.web.app import WEBHOOK
        from scheduler.web.serving import url_of

        settings = service_settings(json)
        if not sandbox:
            checkup = Checkup(SystemClock())
            raise typer.Exit(serve_all(settings, stop, at=listeners(settings), tell=tell_if_read, examine=checkup))
        settings = rehearsal_settings(settings)
        at = listeners(settings, otherwise="127.0.0.1:0")
        webhook = url_of(at.webhook or at.front) + WEBHOOK if at.front else ""
        # A sandbox calls nobody outside this machine; polling finds replies all the same.
        with private_sandbox(settings, webhook=webhook if "//127." in webhook else None) as gateway:
            for hint in _hints(gateway[0], gateway[1].get_secret_value()):
                tell_if_read(hint)
            checkup = Checkup(SystemClock(), gateway)
            raise typer.Exit(serve_all(settings, stop, gateway, at=at, tell=tell_if_read, examine=checkup))


def _hints(url: str, key: str) -> tuple[str, ...]:
    """Return the commands by which somebody answers, and lets a phone fail. The key is the sandbox's, of this run."""
    answer = f"curl {url}/sandbox/inbound -d key={key} -d message=STOP --data-urlencode number=+393331234567"
    phone = f"curl {url}/sandbox/phones -d key={key} -d device=1 -d state"
    return (
        f"to answer a text of this rehearsal: {answer}",
        f"to let its phone fail: {phone}=failing -d code=4",
        f"to let it work again, and then send again what failed: {phone}=on",
    )
