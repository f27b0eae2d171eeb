"""`resume`: continuing what was paused."""

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
        typer.Option("--account", help="Also resume its account, after an alarm that you have checked."),
    ] = False,
    new_gateway: Annotated[
        bool,
        typer.Option(
            "--new-gateway",
            help="The gateway was set up again and its IDs start from 1: resume the account with it. "
            "What was in doubt is held for you to decide; receipts of earlier texts no longer arrive.",
        ),
    ] = False,
    json: AsJson = False,
) -> None:
    """Resume a paused campaign where it left off."""
    from campaigns.clock import SystemClock
    from scheduler.actions import control
    from scheduler.actions.answers import resumed_json
    from scheduler.actions.opening import campaign_store
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    now = SystemClock().now()
    with campaign_store(load_settings()) as store:
        done = control.resume(store, this_user(), campaign, account=account, new_gateway=new_gateway, now=now)
    if json:
        print_json(resumed_json(campaign, done))
        return
    if done.held:
        say(
            f"{amount(done.held, 'request was', 'requests were')} in doubt; decide what becomes of them: campaigns held"
        )
    if done.state is None:
        say("the gateway account is resumed")
        return
    say(f"{campaign} is {state_words(done.state)} again")
    if done.account_reason:
        say(f"nothing is sent yet, because the account is paused: {done.account_reason}")
