"""What `pause` and `cancel` report about texts that they cannot stop."""

from datetime import datetime
from typing import TYPE_CHECKING

from campaigns.counting import amount
from scheduler.cli.rendering.output import say

if TYPE_CHECKING:
    from scheduler.actions.control import Stopped


def tell_unstoppable(stopped: "Stopped", now: datetime) -> None:
    """Print what is under way, and what the gateway already has."""
    from scheduler.actions.answers import age_seconds

    if stopped.in_flight:
        say("under way, or looked up at the gateway, and perhaps still delivered:")
    for request in stopped.in_flight:
        people = f"{request.recipients:,} to be sent to" if request.recipients else "a contact list"
        say(f"  batch {request.batch_id}: {people}, for {age_seconds(request.started_at, now):g} s")
    for handed in stopped.handed_over:
        say(
            f"{amount(handed.texts, 'text is', 'texts are')} at the gateway already, which sends them "
            f"{handed.start:%Y-%m-%d %H:%M} UTC; they can only be taken back there"
        )
