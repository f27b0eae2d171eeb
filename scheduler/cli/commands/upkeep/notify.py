"""`notify`: who is notified, and whether notifications reach them."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from scheduler.cli.options import AsJson, AsOutput
from scheduler.cli.rendering.listing import Output, chosen, print_listed
from scheduler.cli.rendering.output import print_json, say

if TYPE_CHECKING:
    from scheduler.actions.upkeep.notifying import Listener


COLUMNS: Final = ("channel", "target", "told", "problem")


def notify(
    test: Annotated[bool, typer.Option("--test", help="Send each of them a test.")] = False,
    output: AsOutput = None,
    json: AsJson = False,
) -> None:
    """Show who is notified, according to the settings. Webhooks in campaign files are not listed.

    With --test each gets the event `test` once; exits with 3 if one could not be notified.
    """
    from campaigns.clock import SystemClock
    from scheduler.actions.upkeep.notifying import listeners, tell_test
    from scheduler.cli.user import this_user
    from scheduler.exits import Exit
    from worker.settings.settings import load_settings

    form = chosen(output, as_json=json)
    settings = load_settings()
    found = tell_test(settings, this_user(), now=SystemClock().now()) if test else listeners(settings)
    targets = [_json(listener, was_told=test) for listener in found]
    if form is Output.JSON:
        print_json({"targets": targets})
    elif print_listed(form, COLUMNS, targets):
        pass
    elif not found:
        say("nobody is notified: set CAMPAIGNS_REPORT_WEBHOOK, CAMPAIGNS_NOTIFY_EMAIL or CAMPAIGNS_NOTIFY_COMMAND")
    else:
        for each in found:
            say(f"{each.channel:<13}  {each.where:<40}  {each.problem or ('notified' if test else '')}".rstrip())
    raise typer.Exit(Exit.UNHAPPY if any(each.problem for each in found) else Exit.DONE)


def _json(listener: "Listener", *, was_told: bool) -> dict[str, Any]:
    return {
        "channel": listener.channel,
        "target": listener.where,
        "told": not listener.problem if was_told else None,
        "problem": listener.problem,
    }
