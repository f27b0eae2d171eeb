"""`approve`: a person has looked at a plan, and approves exactly that one."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlmodel import Session

from campaigns.definition import Definition
from campaigns.display import state_words
from campaigns.lifecycle import RunState
from campaigns.planning.approval import SHORTEST, SHOWN, command, is_needed, to_approve
from scheduler.actions.acting import Actor, acting, audited, nothing_done
from scheduler.actions.naming import latest_run
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.uploading.files import require_same_tables
from worker.definitions import Definitions
from worker.store.audit import has_submitted
from worker.store.engine import Store
from worker.store.locks import lock_run
from worker.store.runs import approvals
from worker.store.runs.runs import RunView, campaign_runs

OPEN: Final = frozenset({RunState.SCHEDULED, RunState.AWAITING_APPROVAL, RunState.PAUSED})

_RunAndFile = tuple[RunView, Definition]


@dataclass(frozen=True, slots=True)
class Approved:
    """The run whose plan is approved, and the full hash; `is_news`: nobody had approved it before."""

    run_id: int
    plan: str
    is_news: bool


def approve(
    store: Store, actor: Actor, campaign: str, plan: str, *, inbox: Path, four_eyes: bool, now: datetime
) -> Approved:
    """Approve exactly this plan of a campaign, named by its hash or the beginning of it. Raises `Refused`.

    Any change to the plan before its moment voids the approval, and so does a table in `inbox` that was uploaded anew.
    `four_eyes`: not by somebody who submitted it.
    """
    prefix = plan.strip().casefold()
    if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST},64}}", prefix):
        sentence = f"{plan} is not the hash of a plan: copy at least {SHORTEST} of the digits shown by `plan`"
        raise Refused(Refusal.INVALID, sentence)
    definitions = Definitions(store)
    with acting(store, actor, "approve", campaign=campaign, now=now) as session:
        latest_run(session, campaign)  # an unknown name is refused, with the nearest known name
        for run in campaign_runs(session, campaign):
            lock_run(session, run.id)
        made = [run for run in campaign_runs(session, campaign) if run.root_id is None]
        runs = [(run, definitions.get(run.definition_id)) for run in made]
        waiting = [(run, file) for run, file in runs if run.state in OPEN and _waits(run, file)]
        chosen = [
            (run, approval)
            for run, file in waiting
            if (approval := _approval(run, file)).startswith(prefix) and approval
        ]
        if not chosen:
            raise _why_not(session, campaign, prefix, runs, waiting)
        is_news = False
        for run, hash_ in chosen:
            require_same_tables(session, inbox, campaign, rehearsal=run.rehearsal)
            if four_eyes:
                _refuse_own(session, actor, campaign, definitions.get(run.definition_id))
            if run.approved_hash != hash_:
                approvals.approve(session, run.id, hash_, by=actor.name, now=now)
                is_news = True
        run, approval = chosen[-1]
        audited(session, run_id=run.id, plan_hash=approval, runs=len(chosen))
        if not is_news:
            nothing_done(session)
        return Approved(run.id, approval, is_news)


def _refuse_own(session: Session, actor: Actor, campaign: str, definition: Definition) -> None:
    if has_submitted(session, actor.name, campaign, definition.content_hash):
        sentence = f"{actor.name} submitted {campaign}, so somebody else has to approve it (CAMPAIGNS_FOUR_EYES)"
        raise Refused(Refusal.FOUR_EYES, sentence)


def _waits(run: RunView, definition: Definition) -> bool:
    """Return whether the run needs approval: because of its file, its plan, or the operator's rules at its moment."""
    return run.state is RunState.AWAITING_APPROVAL or is_needed(definition, run.to_look_at)


def _approval(run: RunView, definition: Definition) -> str:
    return to_approve(definition, run.plan_hash if run.planned_at else "")


def _why_not(
    session: Session, campaign: str, prefix: str, runs: list[_RunAndFile], waiting: list[_RunAndFile]
) -> Refused:
    """Return why this hash approves nothing, and what to do."""
    if not waiting:
        run, definition = runs[-1]
        sentence = f"nothing of {campaign} is waiting for approval any more: it is {state_words(run.state)}"
        if not _waits(run, definition):
            sentence = f"{campaign} needs no approval: its file does not say approval: true"
        return Refused(Refusal.WRONG_STATE, sentence)
    run, definition = waiting[-1]
    wanted = _approval(run, definition)
    if not wanted:
        advice = f"look at it with campaigns status {campaign}, then approve it"
        return Refused(Refusal.WRONG_STATE, f"{campaign} is being planned; {advice}")
    then = "look at the plan again before you approve it"
    known = [plan for run, _ in waiting for plan in approvals.approvables(session, run.id)]
    now = next((plan for plan in reversed(known) if plan.approval == wanted), None)
    old = next((plan for plan in reversed(known) if plan.approval.startswith(prefix)), None)
    sentence = f"{prefix[:SHOWN]} is not a plan of {campaign}, whose plan is {wanted[:SHOWN]}; {then}"
    if now is not None and old is not None:
        sentence = f"the plan {prefix[:SHOWN]} of {campaign} is not what would be sent now: {now.changes(old)}; {then}"
    return Refused(Refusal.OTHER_PLAN, sentence, command=f"approve it with: {command(campaign, wanted)}")
