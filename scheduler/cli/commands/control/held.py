"""`held`, `resolve`: the texts of which nobody but a person can tell whether they were sent."""

import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from campaigns.counting import amount
from campaigns.declarations import Declared
from scheduler.cli.errors import Refused
from scheduler.cli.options import AsJson, RunNumber, Slug
from scheduler.cli.rendering.output import print_json, say, state_words, warn

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from worker.store.held import HeldList, HeldPerson, Resolved
    from worker.store.runs import RunView
    from worker.store.story import Request

NUMBERS_SHOWN: Final = 20
"""So many masked numbers of a group are shown; `export` has them all, in full."""


@dataclass(frozen=True, slots=True)
class Group:
    """Everybody who is held for one reason after the same requests, or one contact list."""

    batch_id: int | None
    list_id: int | None
    reason: str
    people: "tuple[HeldPerson, ...]"
    requests: "tuple[Request, ...]"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(held)
    app.command()(resolve)


def held(campaign: Slug, number_of_run: RunNumber = None, json: AsJson = False) -> None:
    """Show who waits for a person to decide, and why.

    The gateway's answers do not prove whether these texts were sent. Look at its own list of messages, or at that
    of the phone, then tell what you found with: campaigns resolve
    """
    from campaigns.lifecycle import RunState
    from campaigns.verdicts import Verdict
    from scheduler.actions.naming import campaign_store, run_to_decide_on
    from scheduler.report.evidence import request_json, request_lines
    from worker.settings import load_settings
    from worker.store.held import held_lists, held_people, runs_with_held
    from worker.store.story import last_request, requests_of

    settings = load_settings()
    with campaign_store(settings) as store, store.read() as session:
        run = run_to_decide_on(session, campaign, number_of_run)
        people, lists = held_people(session, run.id), held_lists(session, run.id)
        others = [other for other in runs_with_held(session, run.campaign_id) if other != run.id]
        batch_ids = {person.batch_id for person in people} | {entry.batch_id for entry in lists}
        requests = requests_of(session, {id_ for id_ in batch_ids if id_ is not None})
        last = last_request(session, run.id) if run.state is RunState.PAUSED else None
    failed = last if last and last.outcome == Verdict.MISSED else None
    groups = list(_grouped(people, lists, requests))
    if json:
        print_json(
            {
                "campaign": campaign,
                "run": run.id,
                "state": run.state.value,
                "held": len(people),
                "lists": len(lists),
                "groups": [_group_json(group) for group in groups],
                "failed_request": request_json(failed) if failed else None,
            }
        )
        return
    if failed:
        say(f"{campaign} is paused: {run.reason}")
        for line in ("its last request failed:", *request_lines(failed, settings.zone)):
            say(f"  {line}")
        say("")
    if not groups:
        say(f"nobody of {campaign} is held")
        return
    for group in groups:
        _show_group(group, settings.zone)
    _advise(run)
    for other in others if number_of_run is None else ():
        say(f"More of {campaign} are held in another run: campaigns held {campaign} --run {other}")


def resolve(
    campaign: Slug,
    declared: Annotated[
        Declared,
        typer.Option("--as", help="What you found: the texts were sent, or they were not.", show_default=False),
    ],
    number: Annotated[
        str | None, typer.Option("--number", metavar="NUMBER", help="Decide on this person alone.")
    ] = None,
    number_of_run: RunNumber = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: AsJson = False,
) -> None:
    """Decide whether held texts were sent.

    First look at the gateway's or the phone's own list of messages. `not-sent` sends them again. `sent` counts them
    as accepted; their receipts cannot be followed. See: campaigns held
    """
    from campaigns.clock import SystemClock
    from scheduler.actions.naming import campaign_store, run_to_decide_on
    from scheduler.actions.numbers import normalised
    from worker.settings import load_settings
    from worker.store.held import held_lists, held_people, resolve_held

    settings = load_settings()
    wanted = None if number is None else normalised(number, settings)
    with campaign_store(settings) as store:
        with store.read() as session:
            run = run_to_decide_on(session, campaign, number_of_run)
            people = held_people(session, run.id, number=wanted)
            lists = held_lists(session, run.id) if wanted is None else []
        if not people and not lists:
            who = f"nobody of {campaign}" if wanted is None else f"this number of {campaign}"
            raise Refused(f"{who} is {'not ' if wanted else ''}held: there is nothing to resolve")
        if sys.stdin.isatty() and not yes and not typer.confirm(_question(declared, people, lists), err=True):
            warn("everything was left as it is")
            return
        with store.write("resolve") as session:
            done = resolve_held(session, run.id, declared, number=wanted, by=deciding_user(), now=SystemClock().now())
    if json:
        print_json(
            {
                "campaign": campaign,
                "run": run.id,
                "state": done.run_state.value,
                "as": declared.value,
                "people": done.people,
                "lists": done.lists,
                "cancelled": done.cancelled,
            }
        )
    else:
        _tell(run, declared, done)


def _grouped(
    people: "Sequence[HeldPerson]", lists: "Sequence[HeldList]", requests: "Mapping[int, Sequence[Request]]"
) -> Iterator[Group]:
    together: defaultdict[tuple[int | None, str], list[HeldPerson]] = defaultdict(list)
    for person in people:
        together[person.batch_id, person.reason].append(person)
    for (batch_id, reason), members in together.items():
        made = requests.get(batch_id, ()) if batch_id is not None else ()
        yield Group(batch_id, None, reason, tuple(members), tuple(made))
    for entry in lists:
        yield Group(entry.batch_id, entry.list_id, entry.reason, (), tuple(requests.get(entry.batch_id, ())))


def _show_group(group: Group, zone: "ZoneInfo") -> None:
    from campaigns.numbers import mask
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


def _group_json(group: Group) -> dict[str, Any]:
    from campaigns.numbers import mask
    from scheduler.report.evidence import request_json

    return {
        "batch": group.batch_id,
        "contact_list": group.list_id,
        "reason": group.reason,
        "people": [mask(person.number) for person in group.people],
        "requests": [request_json(request) for request in group.requests],
    }


def _advise(run: "RunView") -> None:
    say(
        "What to do: look for these texts, at the times above, in the list of messages of the gateway "
        "or of the phone that was to send them."
    )
    say(f"  they are there:      campaigns resolve {run.campaign} --as sent")
    say(f"  they are not there:  campaigns resolve {run.campaign} --as not-sent   (sends them again)")
    say("  for one person:      add --number NUMBER")
    say(f"The numbers in full: campaigns export {run.campaign}")


def _question(declared: Declared, people: "Sequence[HeldPerson]", lists: "Sequence[HeldList]") -> str:
    what = _what(len(people), len(lists))
    if declared is Declared.SENT:
        return f"Count the texts to {what} as sent, and never send them again?"
    return f"Send to {what} again? Whoever did get the text gets it twice"


def _tell(run: "RunView", declared: Declared, done: "Resolved") -> None:
    what = _what(done.people, done.lists)
    if declared is Declared.SENT:
        say(f"{what} of {run.campaign}: declared sent; nothing more is sent to them")
        say("no receipts can be followed for them: what the gateway calls these texts is not known")
    elif done.cancelled:
        say(f"{what} of {run.campaign}: declared not sent; the campaign was cancelled, so nothing is sent to them")
    else:
        say(f"{what} of {run.campaign}: declared not sent; they are sent to again")
        say(f"{run.campaign} is {state_words(done.run_state.value)}")
        if done.run_state.value == "paused":
            say(f"let it go on with: campaigns resume {run.campaign}")
        else:
            say("it is sent by `campaigns up`, or by: campaigns run with its file")


def _what(people: int, lists: int) -> str:
    parts = [amount(people, "person", "people")] if people else []
    if lists:
        parts.append(amount(lists, "contact list"))
    return " and ".join(parts) or "nobody"


def deciding_user() -> str:
    """Who decides, for the record: the user of this machine."""
    import getpass
    import os

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"user {os.getuid()}"
