"""`throttle`: every limit in force and where it comes from; changing limits while texts are being sent."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from scheduler.cli.completing import campaign_names
from scheduler.cli.errors import values_of_options
from scheduler.cli.options import AsJson, AsOutput
from scheduler.cli.rendering.listing import chosen, print_listed
from scheduler.cli.rendering.output import local_time, print_table, say

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from scheduler.report.limits import Limit


COLUMNS: Final = ("scope", "limit", "value", "source", "until", "reason")


def throttle(
    campaign: Annotated[
        str | None,
        typer.Argument(
            metavar="CAMPAIGN",
            help="Limits of this campaign, instead of those in its file.",
            autocompletion=campaign_names,
        ),
    ] = None,
    account: Annotated[bool, typer.Option("--account", help="The limits over all campaigns.")] = False,
    device: Annotated[
        str | None, typer.Option("--device", metavar="ID", help='A device or SIM as in devices.use: 1, "2|0", primary.')
    ] = None,
    rate: Annotated[
        str | None, typer.Option("--rate", help="Segments per second, minute or hour: 30/minute; none lifts it.")
    ] = None,
    daily: Annotated[str | None, typer.Option("--daily", help="Segments a day; none lifts it.")] = None,
    weight: Annotated[
        int | None,
        typer.Option("--weight", help="Share of a campaign beside others of its kind, from 1 to 100; default: 1."),
    ] = None,
    clear: Annotated[
        bool, typer.Option("--clear", help="Remove limits set by hand, and those that a phone's reports lowered.")
    ] = False,
    output: AsOutput = None,
    json: AsJson = False,
) -> None:
    """Show every limit in force and where it comes from, or change limits while texts are sent.

    A change takes effect on every worker within a second.
    """
    from campaigns.clock import SystemClock
    from scheduler.actions import throttling
    from scheduler.actions.opening import campaign_store
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    with values_of_options():
        values = throttling.new_limits(rate, daily, weight)
    named = sum((campaign is not None, account, device is not None))
    if named > 1:
        raise typer.BadParameter("name a campaign, or --account, or --device, and only one of them")
    if (values or clear) and not named:
        raise typer.BadParameter("say what to change: a campaign, --account or --device ID")
    if clear and values:
        raise typer.BadParameter("--clear removes all limits: leave out the other options", param_hint="--clear")
    form = chosen(output, as_json=json)
    settings, now = load_settings(), SystemClock().now()
    with values_of_options():
        throttling.refuse_unfit(values, campaign=campaign, device=device)
        with campaign_store(settings) as store:
            place = throttling.place_of(store, settings, campaign=campaign, device=device, account=account)
            if values or clear:
                throttling.change_limits(store, this_user(), place, values, clear=clear, now=now)
            limits = throttling.read_limits(store, settings, place, now=now)
    if print_listed(form, COLUMNS, (limit.as_json() for limit in limits)):
        return
    if not limits:
        say("nothing of it is limited, by hand or by its file")
        return
    _show(limits, settings.zone)


def _show(limits: "Sequence[Limit]", zone: "ZoneInfo") -> None:
    rows = [
        (limit.what, limit.name, limit.value, limit.source, local_time(limit.until, zone), limit.reason)
        for limit in limits
    ]
    print_table(("of", "limit", "in force", "set by", "until", "because"), rows)
