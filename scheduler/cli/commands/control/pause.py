"""`pause`: stopping what is under way for a while."""

from scheduler.cli.options import AsJson, Slug
from scheduler.cli.rendering.output import print_json, say
from scheduler.cli.rendering.stopped import tell_unstoppable


def pause(campaign: Slug, json: AsJson = False) -> None:
    """Start no new request of a campaign until it is resumed, on any worker.

    A request that is under way is finished, and receipts are followed.
    """
    from campaigns.clock import SystemClock
    from scheduler.actions import control
    from scheduler.actions.answers import paused_json
    from scheduler.actions.opening import campaign_store
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    now = SystemClock().now()
    with campaign_store(load_settings()) as store:
        stopped = control.pause(store, this_user(), campaign, now=now)
    if json:
        print_json(paused_json(campaign, stopped, now))
        return
    say(f"{campaign} is paused; resume it with: campaigns resume {campaign}")
    tell_unstoppable(stopped, now)
