"""`devices`: the phones that texts went by, and those that are stuck."""

from typing import TYPE_CHECKING

import typer

from scheduler.cli.options import AsJson
from scheduler.cli.rendering.output import local_time, print_json, print_table, say

if TYPE_CHECKING:
    from scheduler.report.devices import Device
    from worker.settings import Settings

NONE_YET = "no phone has been seen yet; phones show up with the first texts that they get"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(devices)


def devices(json: AsJson = False) -> None:
    """Show the phones that texts went by: what waits there, what they sent, their limit, and which are stuck."""
    from campaigns.clock import SystemClock
    from scheduler.actions.naming import existing_store
    from scheduler.report.devices import devices_of, stuck_words
    from worker.settings import load_settings
    from worker.store.accounts import accounts_by_key

    settings, now = load_settings(), SystemClock().now()
    found: list[Device] = []
    with existing_store(settings) as store:
        if store is not None:
            with store.read() as session:
                for account_id in sorted(accounts_by_key(session).values()):
                    found += devices_of(session, account_id, settings, now=now)
    if json:
        for device in found:
            print_json(device.as_json())
        return
    if not found:
        say(NONE_YET)
        return
    _show(found, settings)
    stuck = {device.stuck.device: device.stuck for device in found if device.stuck is not None}
    for entry in stuck.values():
        say("")
        say(stuck_words(entry, settings.zone))


def _show(found: "list[Device]", settings: "Settings") -> None:
    rows = [
        (
            device.name,
            f"{device.seen.waiting:,}",
            f"{device.seen.sent:,}",
            f"{device.seen.failed:,}",
            local_time(device.seen.last_sent_at, settings.zone),
            device.rate or "none",
            "stuck" if device.stuck else "",
        )
        for device in found
    ]
    headings = ("device", "waiting", "sent", "failed", "last sent", "limit", "remarks")
    print_table(headings, rows, numeric=("waiting", "sent", "failed"))
