"""`pause`, `resume`, `cancel`: stopping what is under way, for a while or for good."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlmodel import Session

from campaigns.codes import PausedBy
from campaigns.counting import amount
from campaigns.display import state_words
from campaigns.lifecycle import RecipientState, RunState
from scheduler.actions.acting import Actor, acting, audited
from scheduler.actions.naming import latest_run
from scheduler.actions.refusals import Refusal, Refused
from worker.store.engine import Store
from worker.store.relocation.new_gateway import take_new_gateway, under_way
from worker.store.reports.counts import books
from worker.store.reports.waiting import outlook
from worker.store.runs.repetitions import end_repeating
from worker.store.runs.runs import RunView, campaign_runs, cancel_run, list_runs, pause_run, resume_run
from worker.store.runs.versions import stored_definition
from worker.store.sending.accounts import account_view, resume_account
from worker.store.sending.doubts import InFlight, in_flight
from worker.store.sending.queue import requeue_runs

AT_WORK: Final = frozenset({RunState.SCHEDULED, RunState.AWAITING_APPROVAL, RunState.RUNNING, RunState.PAUSED})
"""The states of runs that may still send. The other runs of a campaign only wait for receipts."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Texts of a run that the gateway already has and will send by itself, and when."""

    texts: int
    start: datetime


@dataclass(frozen=True, slots=True)
class Stopped:
    """A campaign that was paused or cancelled. `unsent`: texts that will never be sent.

    `in_flight` are requests on their way or in doubt, which may still be delivered.
    """

    run_id: int
    in_flight: tuple[InFlight, ...]
    handed_over: tuple[HandedOver, ...]
    unsent: int = 0


@dataclass(frozen=True, slots=True)
class Resumed:
    """What resumes. `state` is None if only the account does, because the campaign was not paused.

    `account_reason`: why the account sends nothing; empty if it does. `held`: requests in doubt that a person has to
    decide on, because the gateway was set up anew.
    """

    run_id: int
    state: RunState | None
    account_reason: str = ""
    held: int = 0


def pause(store: Store, actor: Actor, campaign: str, *, now: datetime) -> Stopped:
    """Start no new request of a campaign, on any worker, until it is resumed. Raises `Refused`."""
    with acting(store, actor, "pause", campaign=campaign, now=now) as session:
        run, at_work = _at_work(session, campaign)
        if not [each for each in at_work if pause_run(session, each.id, PausedBy.PERSON, now=now)]:
            raise _already(campaign, run, "pause")
        return Stopped(run.id, _in_flight(session, at_work), _handed_over(session, at_work, now))


def resume(
    store: Store, actor: Actor, campaign: str, *, account: bool = False, new_gateway: bool = False, now: datetime
) -> Resumed:
    """Resume a paused campaign where it left off. Raises `Refused`.

    `account`: also resume its account, after an alarm that a person has looked into; `new_gateway`: the same after its
    gateway was set up anew.
    """
    with acting(store, actor, "resume", campaign=campaign, now=now) as session:
        run, at_work = _at_work(session, campaign)
        held = 0
        if account or new_gateway:
            paused = account_view(session, run.account_id)
            is_another = paused.paused_by is PausedBy.NEW_GATEWAY
            if paused.paused_by is PausedBy.QUARANTINE or (is_another and not new_gateway):
                raise Refused(Refusal.ACCOUNT_STOPPED, paused.paused_reason)
            has_resumed = paused.is_paused
            audited(session, account_paused_by=paused.paused_by, new_gateway=new_gateway)
            if new_gateway:
                held = _take_new_gateway(session, run.account_id, now)
            else:
                has_resumed = resume_account(session, run.account_id)
            requeue_runs(session, [each.id for each in list_runs(session)])
            if (has_resumed or new_gateway) and run.state is not RunState.PAUSED:
                return Resumed(run.id, None, held=held)
        states = [state for each in at_work if (state := resume_run(session, each.id)) is not None]
        # Workers may have taken its jobs meanwhile and found nothing to do: without this it would wait a minute until
        # those jobs count as lost.
        requeue_runs(session, [each.id for each in at_work])
        account_reason = outlook(session, run.id).account_reason
        if not states:
            waits = f"; its account is: {account_reason}" if account_reason else ""
            raise Refused(Refusal.WRONG_STATE, f"{campaign} is {state_words(run.state)} and not paused{waits}")
        return Resumed(run.id, states[0], account_reason, held)


def cancel(store: Store, actor: Actor, campaign: str, *, now: datetime) -> Stopped:
    """Never send the unsent texts of a campaign. Raises `Refused`."""
    with acting(store, actor, "cancel", campaign=campaign, now=now) as session:
        run, at_work = _at_work(session, campaign)
        counts = [cancel_run(session, each.id, "cancelled by hand", now) for each in at_work]
        if all(count is None for count in counts):
            raise _already(campaign, run, "cancel")
        end_repeating(session, run.campaign_id)
        unsent = sum(filter(None, counts))
        audited(session, unsent=unsent)
        handed_over = _handed_over(session, at_work, now)
        return Stopped(run.id, _in_flight(session, at_work), handed_over, unsent)


def _at_work(session: Session, slug: str) -> tuple[RunView, list[RunView]]:
    """Return the latest run of a campaign, and all its runs that may still send, or only the latest.

    Raises `Refused` for an unknown campaign.
    """
    run = latest_run(session, slug)
    audited(session, run_id=run.id, plan_hash=run.plan_hash)
    mine = (each for each in campaign_runs(session, slug) if each.campaign_id == run.campaign_id)
    return run, [each for each in mine if each.state in AT_WORK] or [run]


def _already(campaign: str, run: RunView, what: str) -> Refused:
    sentence = f"{campaign} is already {state_words(run.state)}: there is nothing to {what}"
    return Refused(Refusal.WRONG_STATE, sentence)


def _take_new_gateway(session: Session, account_id: int, now: datetime) -> int:
    """Hold the requests in doubt; return how many there were."""
    if count := under_way(session, account_id):
        sentence = f"{amount(count, 'request waits', 'requests wait')} for a reply; try again in a minute"
        raise Refused(Refusal.WRONG_STATE, sentence)
    return take_new_gateway(session, account_id, now=now)


def _in_flight(session: Session, runs: Sequence[RunView]) -> tuple[InFlight, ...]:
    return tuple(request for run in runs for request in in_flight(session, run.id))


def _handed_over(session: Session, runs: Sequence[RunView], now: datetime) -> tuple[HandedOver, ...]:
    """Return the texts that the gateway has of each run whose start it keeps and still waits for."""
    found = []
    for run in runs:
        start = stored_definition(session, run.definition_id).schedule.at_gateway
        if start is not None and start > now:
            found.append(HandedOver(books(session, run.id).by_state.get(RecipientState.ACCEPTED, 0), start))
    return tuple(each for each in found if each.texts)
