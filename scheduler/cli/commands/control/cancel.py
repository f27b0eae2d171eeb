"""`cancel`: stopping what is under way for good."""

import sys
from typing import Annotated

import typer

from campaigns.counting import amount
from campaigns.display import state_words
from scheduler.cli.options import AsJson, Slug
from scheduler.cli.rendering.output import print_json, say
from scheduler.cli.rendering.stopped import tell_unstoppable


def cancel(
    campaign: Slug,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    json: AsJson = False,
) -> None:
    """Never send what a campaign has not sent yet.

    Texts that were sent are still followed. This cannot be undone.
    """
    from campaigns.clock import SystemClock
    from scheduler.actions import control
    from scheduler.actions.answers import cancelled_json
    from scheduler.actions.opening import campaign_store
    from scheduler.actions.reading.runs import state_of
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    with campaign_store(load_settings()) as store:
        state = state_of(store, campaign)  # no transaction is open during the question: others must not wait for it
        if sys.stdin.isatty() and not yes:
            # Not typer.confirm: it puts a space on standard output, which belongs to --json.
            typer.echo(f"{campaign} is {state_words(state)}. Cancel it for good? [y/N] ", err=True, nl=False)
            if sys.stdin.readline().strip().casefold() not in {"y", "yes"}:
                typer.echo(f"{campaign} was left as it is", err=True)
                return
        now = SystemClock().now()
        stopped = control.cancel(store, this_user(), campaign, now=now)
    if json:
        print_json(cancelled_json(campaign, stopped, now))
        return
    say(f"{campaign} is cancelled: {amount(stopped.unsent, 'text')} will not be sent")
    tell_unstoppable(stopped, now)
