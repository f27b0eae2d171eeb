"""`devices`: the phones that sent texts, and those that are stuck."""

from typing import TYPE_CHECKING, Final

from scheduler.cli.options import AsJson, AsOutput
from scheduler.cli.rendering.listing import chosen, print_listed
from scheduler.cli.rendering.output import local_time, print_table, say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from scheduler.report.devices import Device

COLUMNS: Final = (
    "device",
    "sim",
    "waiting",
    "sent",
    "failed",
    "last_sent_at",
    "rate",
    "people",
    "people_monthly",
    "stuck.since",
    "stuck.oldest_at",
)

NONE_YET = "no phone has been seen yet; phones show up with the first texts that they get"


def devices(output: AsOutput = None, json: AsJson = False) -> None:
    """Show the phones that sent texts: what waits there, what they sent, their limit, and which are stuck."""
    from campaigns.clock import SystemClock
    from scheduler.actions.opening import existing_store
    from scheduler.actions.reading.phones import read_phones
    from scheduler.report.devices import stuck_words
    from worker.settings.settings import load_settings

    form = chosen(output, as_json=json)
    settings = load_settings()
    with existing_store(settings) as store:
        found = [] if store is None else read_phones(store, settings, now=SystemClock().now())
    if print_listed(form, COLUMNS, (device.as_json() for device in found)):
        return
    if not found:
        say(NONE_YET)
        return
    _show(found, settings.zone)
    stuck = {device.stuck.device: device.stuck for device in found if device.stuck is not None}
    for entry in stuck.values():
        say("")
        say(stuck_words(entry, settings.zone))


def _people(device: "Device") -> str:
    return f"{device.people or 0:,} of {device.people_monthly:,}"


def _show(found: "Sequence[Device]", zone: "ZoneInfo") -> None:
    has_people = found[0].people_monthly is not None
    rows = [
        (
            device.name,
            f"{device.seen.waiting:,}",
            f"{device.seen.sent:,}",
            f"{device.seen.failed:,}",
            local_time(device.seen.last_sent_at, zone),
            device.rate or "none",
            *([_people(device)] if has_people else []),
            "stuck" if device.stuck else "",
        )
        for device in found
    ]
    people = ["people this month"] if has_people else []
    headings = ("device", "waiting", "sent", "failed", "last sent", "limit", *people, "remarks")
    print_table(headings, rows, numeric=("waiting", "sent", "failed"))
