"""`pause`, `resume`, `cancel`: stopping what is under way, for a while or for good."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from campaigns.codes import PausedBy
from campaigns.counting import amount
from campaigns.lifecycle import RunState
from scheduler.cli.errors import Refused
from scheduler.cli.options import AsJson, Slug
from scheduler.cli.rendering.output import print_json, say, state_words

if TYPE_CHECKING:
    from sqlmodel import Session

    from worker.store.doubts import InFlight
    from worker.store.runs import RunView


AT_WORK: Final = frozenset({RunState.SCHEDULED, RunState.AWAITING_APPROVAL, RunState.RUNNING, RunState.PAUSED})
"""Of several runs of a campaign those that may still send: the others only wait for receipts."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(pause)
    app.command()(resume)
    app.command()(cancel)


def pause(campaign: Slug, json: AsJson = False) -> None:
    """Start no new request of a campaign until it is resumed, on any worker.

    A request that is under way is finished, and receipts are followed.
    """
    from campaigns.clock import SystemClock
    from worker.store.doubts import in_flight
    from worker.store.runs import pause_run

    now = SystemClock().now()
    with _transaction(campaign) as (session, run, at_work):
        if not [each for each in at_work if pause_run(session, each.id, PausedBy.PERSON, now=now)]:
            raise Refused(f"{campaign} is {state_words(run.state.value)} already: there is nothing to pause")
        under_way = [request for each in at_work for request in in_flight(session, each.id)]
        handed_over = _handed_over(session, at_work)
    if json:
        print_json({"campaign": campaign, "run": run.id, "state": "paused", "in_flight": _as_json(under_way, now)})
        return
    say(f"{campaign} is paused; let it go on with: campaigns resume {campaign}")
    _tell_in_flight(under_way, now)
    _tell_handed_over(handed_over, now)


def resume(
    campaign: Slug,
    account: Annotated[
        bool,
        typer.Option("--account", help="After an alarm that a person looked into: let its account go on, too."),
    ] = False,
    new_gateway: Annotated[
        bool,
        typer.Option(
            "--new-gateway",
            help="The gateway was set up anew and gives its IDs from 1 again: let its account go on with it. "
            "What was in doubt is held for you to decide; receipts of earlier texts come no more.",
        ),
    ] = False,
    json: AsJson = False,
) -> None:
    """Let a paused campaign go on where it was."""
    from worker.store.accounts import account_view, resume_account
    from worker.store.outlook import outlook
    from worker.store.queue import requeue_runs
    from worker.store.runs import list_runs, resume_run

    with _transaction(campaign) as (session, run, at_work):
        if account or new_gateway:
            paused = account_view(session, run.account_id)
            is_another = paused.paused_by is PausedBy.NEW_GATEWAY
            if paused.paused_by is PausedBy.QUARANTINE or (is_another and not new_gateway):
                raise Refused(paused.paused_reason)
            has_resumed = paused.is_paused
            if new_gateway:
                _take_new_gateway(session, run.account_id)
            else:
                has_resumed = resume_account(session, run.account_id)
            requeue_runs(session, [each.id for each in list_runs(session)])
            if (has_resumed or new_gateway) and run.state.value != "paused":
                say("the gateway account goes on")
                return
        states = [state for each in at_work if (state := resume_run(session, each.id)) is not None]
        # Workers took its jobs meanwhile and found nothing to do: it would wait a minute until they count as lost.
        requeue_runs(session, [each.id for each in at_work])
        state = states[0] if states else None
        account_reason = outlook(session, run.id).account_reason
        if state is None:
            waits = f"; its account is: {account_reason}" if account_reason else ""
            raise Refused(f"{campaign} is {state_words(run.state.value)} and not paused{waits}")
    if json:
        print_json({"campaign": campaign, "run": run.id, "state": state.value, "account": account_reason or None})
        return
    say(f"{campaign} is {state_words(state.value)} again")
    if account_reason:
        say(f"nothing is sent yet, for the account is paused: {account_reason}")


def _take_new_gateway(session: "Session", account_id: int) -> None:
    from campaigns.clock import SystemClock
    from worker.store.new_gateway import take_new_gateway, under_way

    if count := under_way(session, account_id):
        raise Refused(f"{amount(count, 'request waits', 'requests wait')} for a reply; try again in a minute")
    if held := take_new_gateway(session, account_id, now=SystemClock().now()):
        say(f"{amount(held, 'request was', 'requests were')} in doubt and is held for you: campaigns held")


def cancel(
    campaign: Slug,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: AsJson = False,
) -> None:
    """Never send what a campaign has not sent yet.

    What was sent is still followed. There is no way back.
    """
    from campaigns.clock import SystemClock
    from worker.store.doubts import in_flight
    from worker.store.repetitions import end_repeating
    from worker.store.runs import cancel_run

    with _transaction(campaign) as (session, run, _):
        state = run.state  # asked about outside of a transaction: others must not wait for the answer
    if sys.stdin.isatty() and not yes:
        # Not typer.confirm: it puts a space on standard output, which belongs to --json.
        typer.echo(f"{campaign} is {state_words(state.value)}. Cancel it for good? [y/N] ", err=True, nl=False)
        if sys.stdin.readline().strip().casefold() not in {"y", "yes"}:
            typer.echo(f"{campaign} was left as it is", err=True)
            return
    now = SystemClock().now()
    with _transaction(campaign) as (session, run, at_work):
        counts = [cancel_run(session, each.id, "cancelled by hand", now) for each in at_work]
        if all(count is None for count in counts):
            raise Refused(f"{campaign} is {state_words(run.state.value)} already: there is nothing to cancel")
        end_repeating(session, run.campaign_id)
        unsent = sum(filter(None, counts))
        handed_over = _handed_over(session, at_work)
        under_way = [request for each in at_work for request in in_flight(session, each.id)]
    if json:
        in_json = _as_json(under_way, now)
        print_json({"campaign": campaign, "run": run.id, "state": "cancelled", "unsent": unsent, "in_flight": in_json})
        return
    say(f"{campaign} is cancelled: {amount(unsent, 'recipient')} will never be sent to")
    _tell_in_flight(under_way, now)
    _tell_handed_over(handed_over, now)


@contextmanager
def _transaction(slug: str) -> Iterator[tuple["Session", "RunView", "list[RunView]"]]:
    """One transaction about a campaign: its latest run, and all that are at work, or else that one.

    Raises `Refused` for an unknown campaign.
    """
    from scheduler.actions.naming import campaign_store, latest_run
    from worker.settings import load_settings
    from worker.store.runs import campaign_runs

    with campaign_store(load_settings()) as store, store.write("control") as session:
        run = latest_run(session, slug)
        mine = (each for each in campaign_runs(session, slug) if each.campaign_id == run.campaign_id)
        at_work = [each for each in mine if each.state in AT_WORK] or [run]
        yield session, run, at_work


def _handed_over(session: "Session", runs: "Sequence[RunView]") -> list[tuple[int, datetime]]:
    """Of each run that the gateway keeps the time of: how many texts it has, and when it sends them."""
    from campaigns.lifecycle import RecipientState
    from worker.store.counts import books
    from worker.store.versions import stored_definition

    found = []
    for run in runs:
        definition = stored_definition(session, run.definition_id)
        if (start := definition.schedule.at_gateway) is not None:
            found.append((books(session, run.id).by_state.get(RecipientState.ACCEPTED, 0), start))
    return found


def _tell_handed_over(handed_over: Sequence[tuple[int, datetime]], now: datetime) -> None:
    for texts, start in handed_over:
        if texts and start > now:
            handed = amount(texts, "text is", "texts are")
            say(
                f"{handed} at the gateway already, which sends them {start:%Y-%m-%d %H:%M} UTC; "
                "only there they can be taken back"
            )


def _age_seconds(request: "InFlight", now: datetime) -> float:
    return max(0.0, round((now - request.started_at).total_seconds(), 1))


def _as_json(under_way: Sequence["InFlight"], now: datetime) -> list[dict[str, float]]:
    return [{"batch": r.batch_id, "recipients": r.recipients, "age_seconds": _age_seconds(r, now)} for r in under_way]


def _tell_in_flight(under_way: Sequence["InFlight"], now: datetime) -> None:
    if not under_way:
        return
    say("under way, or looked up at the gateway, and perhaps still delivered:")
    for request in under_way:
        people = f"{request.recipients:,} to be sent to" if request.recipients else "a contact list"
        say(f"  batch {request.batch_id}: {people}, for {_age_seconds(request, now):g} s")
