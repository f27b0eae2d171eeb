"""`held`: texts for which only a person can find out whether they were sent."""

from typing import TYPE_CHECKING, Any, Final

from campaigns.counting import amount
from scheduler.cli.options import AsJson, AsOutput, RunNumber, Slug
from scheduler.cli.rendering.listing import Output, chosen, print_listed
from scheduler.cli.rendering.output import print_json, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from scheduler.actions.reading.held import Held, HeldGroup

NUMBERS_SHOWN: Final = 20
"""How many masked numbers of a group are shown; `export` has all of them, in full."""

COLUMNS: Final = ("campaign", "run", "batch", "contact_list", "number", "reason")


def held(campaign: Slug, number_of_run: RunNumber = None, output: AsOutput = None, json: AsJson = False) -> None:
    """Show who waits for a person to decide, and why.

    The gateway's answers do not prove whether these texts were sent. Look at its own list of messages, or at the
    phone's, then say what you found with: campaigns resolve
    """
    from scheduler.actions.answers import run_held_json
    from scheduler.actions.opening import campaign_store
    from scheduler.actions.reading.held import read_held
    from worker.settings.settings import load_settings

    form = chosen(output, as_json=json)
    settings = load_settings()
    with campaign_store(settings) as store:
        seen = read_held(store, campaign, number_of_run)
    if form is Output.JSON:
        print_json(run_held_json(campaign, seen))
        return
    if print_listed(form, COLUMNS, _rows(campaign, seen)):
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
    from campaigns.phone_numbers.masking import mask
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


def _rows(campaign: str, seen: "Held") -> "Iterator[dict[str, Any]]":
    """Yield a row for each person, or for each contact list, whose members only the gateway knows."""
    from campaigns.phone_numbers.masking import mask

    for group in seen.groups:
        of_group = {"campaign": campaign, "run": seen.run.id, "batch": group.batch_id, "reason": group.reason}
        if group.list_id is not None:
            yield of_group | {"contact_list": group.list_id}
        yield from (of_group | {"number": mask(person.number)} for person in group.people)


def _advise(campaign: str) -> None:
    say(
        "What to do: look for these texts, at the times above, in the list of messages of the gateway "
        "or of the phone that was to send them."
    )
    say(f"  they are there:      campaigns resolve {campaign} --as sent")
    say(f"  they are not there:  campaigns resolve {campaign} --as not-sent   (sends them again)")
    say("  for one person:      add --number NUMBER")
    say(f"The numbers in full: campaigns export {campaign}")
