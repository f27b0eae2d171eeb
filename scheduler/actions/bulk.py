"""One action for everybody of a run whom a filter matches, once its plan was looked at."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import ColumnElement
from sqlmodel import Session

from campaigns.optout import Meaning
from campaigns.protocol.bulk_actions import DECLARED, BulkAction, Cause
from scheduler.actions.acting import Actor, ActorKind, acting, audited, seeing
from scheduler.actions.naming import latest_run
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.resending import ask_again, resend_failed
from scheduler.actions.suppressing.opt_outs import BY_API, BY_COMMAND, put
from worker.runtime import Runtime
from worker.store.engine import Store
from worker.store.locks import lock_run
from worker.store.people.suppressions import Entry
from worker.store.reports.choices import (
    AN_ANSWER,
    ANY_REPLY,
    NO_REPLY,
    Counted,
    count_causes,
    is_for,
    matches,
    numbers_for,
    recipient_of,
)
from worker.store.runs.held import resolve_held
from worker.store.runs.runs import RunView, run_view

SEALED: Final = 16
"""How many digits of the hash of a plan are shown."""


@dataclass(frozen=True, slots=True)
class BulkSelection:
    """People of a run (None: the latest). `filters`: `state`, `reason`, `device`, `variant`, `batch_id`, `reply`."""

    campaign: str
    run: int | None
    filters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BulkPlan:
    """For how many people it would be done, and for how many not, by cause. `seal`: what stands for exactly these."""

    action: BulkAction
    run: RunView
    people: int
    left_out: Mapping[Cause, int]
    seal: str


@dataclass(frozen=True, slots=True)
class BulkDone:
    """For how many people it was done. `run_id`: the run that it was done in; for a resend, the new one."""

    action: BulkAction
    people: int
    run_id: int | None


class OtherPeople(Refused):
    """Others would be concerned now than the plan showed: nothing was done."""

    def __init__(self, plan: BulkPlan) -> None:
        sentence = "the people have changed since you looked: nothing was done; look at the plan as it is now"
        super().__init__(Refusal.OTHER_PLAN, sentence)
        self.plan = plan


def known_reply(value: str) -> str:
    """Return a value of the filter `reply`. Raises `Refused` for another one."""
    known = (ANY_REPLY, NO_REPLY, AN_ANSWER, *(meaning.value for meaning in Meaning))
    if value not in known:
        raise Refused(Refusal.INVALID, f"there is no reply {value}; use one of {', '.join(known)}", field="reply")
    return value


def plan_bulk(store: Store, action: BulkAction, chosen: BulkSelection) -> BulkPlan:
    """Return for whom it would be done. Raises `Refused` for an unknown campaign or run."""
    with seeing(store) as session:
        return _planned(session, action, chosen)


def _planned(session: Session, action: BulkAction, chosen: BulkSelection) -> BulkPlan:
    run = latest_run(session, chosen.campaign, chosen.run)
    counted = count_causes(session, action, run.id, chosen.filters)
    done = next((each.people for each in counted if each.cause is Cause.DONE), 0)
    left_out: dict[Cause, int] = {each.cause: each.people for each in counted if each.cause is not Cause.DONE}
    return BulkPlan(action, run, done, left_out, _seal(action, run.id, chosen, counted))


def _seal(action: BulkAction, run_id: int, chosen: BulkSelection, counted: Sequence[Counted]) -> str:
    filters = sorted((name, str(value)) for name, value in chosen.filters.items())
    said = action.value, run_id, filters, [(each.cause.value, each.people, each.total) for each in counted]
    return sha256(repr(said).encode("utf-8", "surrogatepass")).hexdigest()[:SEALED]


def ask_first(runtime: Runtime, action: BulkAction, chosen: BulkSelection) -> None:
    """Ask the gateway about each text that would be sent again: it may have tried again by itself.

    No transaction may be open meanwhile. If some were sent after all, the plan is another one then.
    """
    if action is BulkAction.RESEND:
        with runtime.store.read() as session:
            run = latest_run(session, chosen.campaign, chosen.run)
            root, only = _root(session, run), _done(session, action, run.id, chosen)
        ask_again(runtime, root, only)


def do_bulk(
    runtime: Runtime, actor: Actor, action: BulkAction, chosen: BulkSelection, seal: str, *, now: datetime
) -> BulkDone:
    """Do it for exactly the people of the plan with this seal. Raises `OtherPeople` if they are others now.

    Call `ask_first` before. Opt-outs take a transaction for each thousand people, because a request that is about to be
    made waits for them.
    """
    plan = plan_bulk(runtime.store, action, chosen)
    _require(plan, seal)
    if not plan.people:
        raise Refused(Refusal.WRONG_STATE, "there is nobody for whom this could be done")
    chosen = BulkSelection(chosen.campaign, plan.run.id, chosen.filters)  # a later run of the campaign may have begun
    if action is BulkAction.OPT_OUT:
        return BulkDone(action, _opt_out(runtime.store, actor, chosen, plan, now), plan.run.id)
    if action is BulkAction.RESEND:
        return _resend(runtime, actor, chosen, plan)
    declared = DECLARED[action]
    with acting(
        runtime.store, actor, "resolve", campaign=chosen.campaign, transaction="resolve_bulk", now=now
    ) as session:
        lock_run(session, plan.run.id)
        _require(_planned(session, action, chosen), seal)
        only = _done(session, action, plan.run.id, chosen)
        done = resolve_held(session, plan.run.id, declared, only=only, by=actor.name, now=now)
        audited(session, run_id=plan.run.id, plan_hash=plan.run.plan_hash, declared=declared, people=done.people)
        audited(session, **_facts(chosen, plan))
        return BulkDone(action, done.people, plan.run.id)


def _done(session: Session, action: BulkAction, run_id: int, chosen: BulkSelection) -> list[ColumnElement[bool]]:
    return [recipient_of(run_id), *matches(run_id, chosen.filters), is_for(session, action, run_id, Cause.DONE)]


def _root(session: Session, run: RunView) -> RunView:
    return run if run.parent_id is None else run_view(session, run.parent_id)


def _resend(runtime: Runtime, actor: Actor, chosen: BulkSelection, plan: BulkPlan) -> BulkDone:
    run = plan.run
    if run.rehearsal != runtime.rehearsal:
        kind = "a rehearsal" if run.rehearsal else "no rehearsal"
        raise Refused(
            Refusal.WRONG_STATE, f"run {run.id} of {run.campaign} was {kind}, and this is not the gateway of it"
        )
    with seeing(runtime.store) as session:
        root, only = _root(session, run), _done(session, plan.action, run.id, chosen)

    def confirmed(session: Session) -> Mapping[str, Any]:
        _require(_planned(session, plan.action, chosen), plan.seal)
        return _facts(chosen, plan)

    run_id = resend_failed(runtime, actor, root, only, confirmed=confirmed)
    return BulkDone(plan.action, plan.people if run_id else 0, run_id)


def _opt_out(store: Store, actor: Actor, chosen: BulkSelection, plan: BulkPlan, now: datetime) -> int:
    source = BY_COMMAND if actor.kind is ActorKind.CLI else BY_API
    what = f"people of {chosen.campaign}"

    def chunks() -> Iterator[list[Entry]]:
        after = 0
        while True:
            with seeing(store) as session:
                found = numbers_for(session, plan.action, plan.run.id, chosen.filters, after=after)
            if not found:
                return
            after = found[-1][0]
            yield [Entry(number, "", what, source, now) for number in dict.fromkeys(number for _, number in found)]

    facts = _facts(chosen, plan)
    return put(store, actor, chunks(), now, subject=what, kind="", campaign=chosen.campaign, **facts)


def _require(plan: BulkPlan, seal: str) -> None:
    if plan.seal != seal:
        raise OtherPeople(plan)


def _facts(chosen: BulkSelection, plan: BulkPlan) -> dict[str, Any]:
    """Return what the audit says of the filter and of its plan."""
    filters = " ".join(f"{name}={value}" for name, value in chosen.filters.items())
    left_out = " ".join(f"{cause.value}={people}" for cause, people in plan.left_out.items())
    return {"filter": filters, "of_run": plan.run.id, "planned": plan.people, "left_out": left_out}
