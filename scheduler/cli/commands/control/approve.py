"""`approve`: a person has looked at a plan, and approves exactly that one."""

from typing import Annotated

import typer

from campaigns.planning.approval import SHORTEST, SHOWN
from scheduler.cli.options import AsJson, Slug
from scheduler.cli.rendering.output import print_json, say


def approve(
    campaign: Slug,
    plan: Annotated[
        str,
        typer.Option(metavar="HASH", help=f"The hash that `plan` and `status` show, or its first {SHORTEST} digits."),
    ],
    json: AsJson = False,
) -> None:
    """Approve exactly this plan of a campaign that waits for approval.

    A campaign waits if its file says `approval: true`, or if a table that it excludes has rows without a number.
    It starts at its moment, or at once if that has passed. Any change of the plan before then voids the approval.
    """
    from campaigns.clock import SystemClock
    from scheduler.actions import approving
    from scheduler.actions.answers import approved_json
    from scheduler.actions.opening import campaign_store
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    settings, now = load_settings(), SystemClock().now()
    with campaign_store(settings) as store:
        inbox, four_eyes = settings.inbox, settings.four_eyes
        done = approving.approve(store, this_user(), campaign, plan, inbox=inbox, four_eyes=four_eyes, now=now)
    if json:
        print_json(approved_json(campaign, done))
    else:
        already = "" if done.is_news else " already"
        say(f"{campaign} is approved{already}: exactly the plan {done.plan[:SHOWN]} is sent, and nothing else")
