"""`resolve`: deciding about texts for which only a person can find out whether they were sent."""

import sys
from typing import Annotated

import typer

from campaigns.counting import amount
from campaigns.display import state_words
from campaigns.lifecycle import RunState
from campaigns.protocol.declarations import Declared
from scheduler.cli.options import AsJson, RunNumber, Slug
from scheduler.cli.rendering.output import print_json, say, warn


def resolve(
    campaign: Slug,
    declared: Annotated[
        Declared,
        typer.Option("--as", help="What you found: the texts were sent, or they were not.", show_default=False),
    ],
    number: Annotated[
        str | None, typer.Option("--number", metavar="NUMBER", help="Decide about this person only.")
    ] = None,
    number_of_run: RunNumber = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    json: AsJson = False,
) -> None:
    """Decide whether held texts were sent.

    First look at the gateway's or the phone's own list of messages. `not-sent` sends them again. `sent` counts them
    as accepted; their receipts cannot be followed. See: campaigns held
    """
    from campaigns.clock import SystemClock
    from scheduler.actions import resolving
    from scheduler.actions.answers import resolved_json
    from scheduler.actions.numbers import normalised
    from scheduler.actions.opening import campaign_store
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    settings = load_settings()
    wanted = None if number is None else normalised(number, settings.region)
    with campaign_store(settings) as store:
        about = resolving.to_decide(store, campaign, number_of_run, number=wanted)
        question = _question(declared, _what(about.people, about.lists))
        if sys.stdin.isatty() and not yes and not typer.confirm(question, err=True):
            warn("nothing was changed")
            return
        done = resolving.resolve(store, this_user(), about, declared, now=SystemClock().now())
    if json:
        print_json(resolved_json(campaign, about.run_id, declared, done))
    else:
        what = _what(done.people, done.lists)
        _tell(f"{what} of {campaign}", campaign, declared, done.run_state, is_cancelled=bool(done.cancelled))


def _question(declared: Declared, what: str) -> str:
    if declared is Declared.SENT:
        return f"Count the texts to {what} as sent, and never send them again?"
    return f"Send to {what} again? Anyone who did get the text gets it twice"


def _tell(who: str, campaign: str, declared: Declared, state: RunState, *, is_cancelled: bool) -> None:
    if declared is Declared.SENT:
        say(f"{who}: declared sent; nothing more is sent to them")
        say("no receipts can be followed for them: their IDs at the gateway are not known")
    elif is_cancelled:
        say(f"{who}: declared not sent; the campaign was cancelled, so nothing is sent to them")
    else:
        say(f"{who}: declared not sent; they will be texted again")
        say(f"{campaign} is {state_words(state)}")
        if state is RunState.PAUSED:
            say(f"resume it with: campaigns resume {campaign}")
        else:
            say("it is sent by `campaigns up`, or by: campaigns run with its file")


def _what(people: int, lists: int) -> str:
    parts = [amount(people, "person", "people")] if people else []
    if lists:
        parts.append(amount(lists, "contact list"))
    return " and ".join(parts) or "nobody"
