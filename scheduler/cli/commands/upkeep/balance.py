"""`balance`: the credits of the gateway account."""

from scheduler.cli.options import AsJson
from scheduler.cli.rendering.output import print_json, say


def balance(json: AsJson = False) -> None:
    """Show the credits of the gateway account."""
    from scheduler.actions.upkeep.gateway_account import credits_left
    from worker.settings.settings import load_settings

    left = credits_left(load_settings())
    if json:
        print_json({"credits": left, "unlimited": left is None})
    else:
        say("credits: unlimited" if left is None else f"credits: {left:,}")
