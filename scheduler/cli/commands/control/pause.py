"""`pause`: stopping what is under way for a while."""

from scheduler.cli.options import AsJson, Slug
from scheduler.cli.rendering.output import print_json, say
from scheduler.cli.rendering.stopped import in_flight_json, tell_unstoppable


def pause(campaign: Slug, json: AsJson = False) -> None:
    """Start no new request of a campaign until it is resumed, on any worker.

    A request that is under way is finished, and receipts are followed.
    """
    from campaigns.clock import SystemClock
    from scheduler.actions import control
    from scheduler.actions.opening import campaign_store
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    now = SystemClock().now()
    with campaign_store(load_settings()) as store:
        stopped = control.pause(store, this_user(), campaign, now=now)
    if json:
        in_flight = in_flight_json(stopped, now)
        print_json({"campaign": campaign, "run": stopped.run_id, "state": "paused", "in_flight": in_flight})
        return
    say(f"{campaign} is paused; resume it with: campaigns resume {campaign}")
    tell_unstoppable(stopped, now)
