"""`resume`: letting go on what was paused."""

from typing import Annotated

import typer

from campaigns.counting import amount
from campaigns.display import state_words
from scheduler.cli.options import AsJson, Slug
from scheduler.cli.rendering.output import print_json, say


def resume(
    campaign: Slug,
    account: Annotated[
        bool,
        typer.Option("--account", help="After an alarm that a person looked into: let its account go on, too."),
    ] = False,
    new_gateway: Annotated[
        bool,
        typer.Option(
            "--new-gateway",
            help="The gateway was set up anew and gives its IDs from 1 again: let its account go on with it. "
            "What was in doubt is held for you to decide; receipts of earlier texts come no more.",
        ),
    ] = False,
    json: AsJson = False,
) -> None:
    """Let a paused campaign go on where it was."""
    from campaigns.clock import SystemClock
    from scheduler.actions import control
    from scheduler.actions.opening import campaign_store
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    now = SystemClock().now()
    with campaign_store(load_settings()) as store:
        done = control.resume(store, this_user(), campaign, account=account, new_gateway=new_gateway, now=now)
    if done.held:
        say(f"{amount(done.held, 'request was', 'requests were')} in doubt and is held for you: campaigns held")
    if done.state is None:
        say("the gateway account goes on")
        return
    if json:
        waits = done.account_reason or None
        print_json({"campaign": campaign, "run": done.run_id, "state": done.state.value, "account": waits})
        return
    say(f"{campaign} is {state_words(done.state)} again")
    if done.account_reason:
        say(f"nothing is sent yet, because the account is paused: {done.account_reason}")
