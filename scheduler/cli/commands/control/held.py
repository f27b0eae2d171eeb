"""`held`: texts for which only a person can find out whether they were sent."""

from typing import TYPE_CHECKING, Any, Final

from campaigns.counting import amount
from scheduler.cli.options import AsJson, RunNumber, Slug
from scheduler.cli.rendering.output import print_json, say

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from scheduler.actions.reading.held import Held, HeldGroup

NUMBERS_SHOWN: Final = 20
"""How many masked numbers of a group are shown; `export` has all of them, in full."""


def held(campaign: Slug, number_of_run: RunNumber = None, json: AsJson = False) -> None:
    """Show who waits for a person to decide, and why.

    The gateway's answers do not prove whether these texts were sent. Look at its own list of messages, or at the
    phone's, then say what you found with: campaigns resolve
    """
    from scheduler.actions.opening import campaign_store
    from scheduler.actions.reading.held import read_held
    from worker.settings.settings import load_settings

    settings = load_settings()
    with campaign_store(settings) as store:
        seen = read_held(store, campaign, number_of_run)
    if json:
        print_json({"campaign": campaign} | _as_json(seen))
        return
    _show(campaign, seen, settings.zone)
    for other in seen.others if number_of_run is None and seen.groups else ():
        say(f"More people in {campaign} are held in another run: campaigns held {campaign} --run {other}")


def _show(campaign: str, seen: "Held", zone: "ZoneInfo") -> None:
    from scheduler.report.evidence import request_lines

    if seen.failed:
        say(f"{campaign} is paused: {seen.run.reason}")
        for line in ("its last request failed:", *request_lines(seen.failed, zone)):
            say(f"  {line}")
        say("")
    if not seen.groups:
        say(f"nobody in {campaign} is held")
        return
    for group in seen.groups:
        _show_group(group, zone)
    _advise(campaign)


def _show_group(group: "HeldGroup", zone: "ZoneInfo") -> None:
    from campaigns.phone_numbers.numbers import mask
    from scheduler.report.evidence import request_lines

    if group.list_id is not None:
        say(f"everybody on contact list {group.list_id} of the gateway: {group.reason}")
    else:
        shown = ", ".join(mask(person.number) for person in group.people[:NUMBERS_SHOWN])
        more = len(group.people) - NUMBERS_SHOWN
        say(f"{amount(len(group.people), 'person', 'people')}: {group.reason}")
        say(f"  {shown}{f' and {more:,} more' if more > 0 else ''}")
    for request in group.requests:
        for line in request_lines(request, zone):
            say(f"  {line}")
    if not group.requests:
        say("  no request was made for them")
    say("")


def _as_json(seen: "Held") -> dict[str, Any]:
    from campaigns.phone_numbers.numbers import mask
    from scheduler.report.evidence import request_json

    return {
        "run": seen.run.id,
        "state": seen.run.state.value,
        "held": seen.people,
        "lists": seen.lists,
        "groups": [
            {
                "batch": group.batch_id,
                "contact_list": group.list_id,
                "reason": group.reason,
                "people": [mask(person.number) for person in group.people],
                "requests": [request_json(request) for request in group.requests],
            }
            for group in seen.groups
        ],
        "failed_request": request_json(seen.failed) if seen.failed else None,
    }


def _advise(campaign: str) -> None:
    say(
        "What to do: look for these texts, at the times above, in the list of messages of the gateway "
        "or of the phone that was to send them."
    )
    say(f"  they are there:      campaigns resolve {campaign} --as sent")
    say(f"  they are not there:  campaigns resolve {campaign} --as not-sent   (sends them again)")
    say("  for one person:      add --number NUMBER")
    say(f"The numbers in full: campaigns export {campaign}")
