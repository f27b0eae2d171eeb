"""`calls`: notifications that were sent by webhook, e-mail and command, and sending them again."""

from typing import Annotated, Final

import typer

from scheduler.cli.options import AsJson, AsOutput
from scheduler.cli.rendering.listing import chosen, print_listed
from scheduler.cli.rendering.output import local_time, print_json, print_table, say
from scheduler.exits import Exit

COLUMNS: Final = ("id", "notice", "at", "channel", "event", "target", "status", "problem", "seconds")

MOST: Final = 10_000
"""They are all in memory at once."""

calls = typer.Typer(
    invoke_without_command=True, rich_markup_mode=None, help="Notifications that were sent, and sending them again."
)


@calls.callback()
def list_(
    context: typer.Context,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that failed.")] = False,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=MOST, help="Show at most this many (default 100).")
    ] = 100,
    output: AsOutput = None,
    json: AsJson = False,
) -> None:
    """Show the latest notifications by webhook, e-mail and command, with the newest last: one line for each attempt.

    To send one again: campaigns calls repeat ID
    """
    if context.invoked_subcommand is not None:
        return
    from scheduler.actions.opening import existing_store
    from scheduler.actions.reading.calls import call_json, read_calls
    from worker.settings.settings import load_settings

    form = chosen(output, as_json=json)
    settings = load_settings()
    with existing_store(settings) as store:
        found = read_calls(store, only_failed=failed, most=limit)
    if print_listed(form, COLUMNS, map(call_json, found)):
        return
    if not found:
        say("no call has failed" if failed else "no calls were made yet; campaigns notify shows the targets")
        return
    rows = [
        (
            str(call.id),
            local_time(call.at, settings.zone),
            call.channel,
            call.event,
            call.target,
            "" if call.status is None else str(call.status),
            f"{call.seconds:.1f} s",
            call.problem or "taken",
        )
        for call in found
    ]
    print_table(("id", "at", "channel", "event", "target", "status", "took", "result"), rows, numeric=("id", "took"))


@calls.command()
def repeat(
    id_: Annotated[int, typer.Argument(metavar="ID", min=1, help="The number of the call in the list.")],
    json: AsJson = False,
) -> None:
    """Send a notification again, with the same webhook-id; exits with 3 if it fails."""
    from campaigns.clock import SystemClock
    from scheduler.actions.opening import campaign_store
    from scheduler.actions.reading.calls import call_json
    from scheduler.actions.upkeep.repeating import repeat_call
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    settings = load_settings()
    with campaign_store(settings) as store:
        made = repeat_call(store, settings, this_user(), id_, SystemClock())
    if json:
        print_json(call_json(made))
    else:
        say(f"{made.event} to {made.target}: {made.problem or 'taken'}")
    raise typer.Exit(Exit.UNHAPPY if made.problem else Exit.DONE)
