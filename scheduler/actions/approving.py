"""`approve`: somebody has looked at a plan, and lets exactly this one go."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from campaigns.approval import SHORTEST, SHOWN, command, is_needed, to_approve
from campaigns.lifecycle import RunState
from scheduler.cli.errors import Refused
from scheduler.cli.options import AsJson, Slug
from scheduler.cli.rendering.output import print_json, say

if TYPE_CHECKING:
    from sqlmodel import Session

    from campaigns.definition import Definition
    from worker.store.runs import RunView

OPEN = frozenset({RunState.SCHEDULED, RunState.AWAITING_APPROVAL, RunState.PAUSED})


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(approve)


def approve(
    campaign: Slug,
    plan: Annotated[
        str,
        typer.Option(metavar="HASH", help=f"The hash that `plan` and `status` show, or its first {SHORTEST} digits."),
    ],
    json: AsJson = False,
) -> None:
    """Let exactly this plan of a campaign go, whose file says `approval: true`.

    Or of one that excludes a table of which rows hold no number.
    It starts at its moment, or at once where that has passed. Whatever changes the plan before that, voids it.
    """
    from campaigns.clock import SystemClock
    from scheduler.actions.naming import campaign_store, latest_run
    from scheduler.cli.commands.control.held import deciding_user
    from worker.definitions import Definitions
    from worker.settings import load_settings
    from worker.store.approvals import approve as store_approval
    from worker.store.runs import campaign_runs, lock_run

    prefix = plan.strip().casefold()
    if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST},64}}", prefix):
        raise Refused(f"{plan} is no hash of a plan: copy at least {SHORTEST} of the digits that `plan` shows")
    with campaign_store(load_settings()) as store:
        definitions = Definitions(store)
        with store.write("approve") as session:
            latest_run(session, campaign)  # an unknown name is refused with the nearest
            for run in campaign_runs(session, campaign):
                lock_run(session, run.id)
            runs = [(run, definitions.get(run.definition_id)) for run in campaign_runs(session, campaign)]
            waiting = [
                (run, definition)
                for run, definition in runs
                if run.state in OPEN and is_needed(definition, run.to_look_at)
            ]
            chosen = [
                (run, approval)
                for run, definition in waiting
                if (approval := _approval(run, definition)).startswith(prefix) and approval
            ]
            if not chosen:
                raise Refused(_why_not(session, campaign, prefix, runs, waiting))
            approval = chosen[-1][1]
            now = SystemClock().now()
            is_news = False
            for run, hash_ in chosen:
                if run.approved_hash != hash_:
                    store_approval(session, run.id, hash_, by=deciding_user(), now=now)
                    is_news = True
            run = chosen[-1][0]
    if json:
        print_json({"campaign": campaign, "run": run.id, "plan": approval, "was_approved": not is_news})
    else:
        already = "" if is_news else " already"
        say(f"{campaign} is approved{already}: exactly the plan {approval[:SHOWN]} is sent, and no other")


def _approval(run: "RunView", definition: "Definition") -> str:
    return to_approve(definition, run.plan_hash if run.planned_at else "")


def _why_not(
    session: "Session",
    campaign: str,
    prefix: str,
    runs: "list[tuple[RunView, Definition]]",
    waiting: "list[tuple[RunView, Definition]]",
) -> str:
    """Why this hash approves nothing, and what to do."""
    from worker.store.approvals import approvables

    if not waiting:
        run, definition = runs[-1]
        if not is_needed(definition, run.to_look_at):
            return f"{campaign} needs no approval: its file does not say approval: true"
        return f"nothing of {campaign} waits for approval any more: it is {run.state.value.replace('_', ' ')}"
    run, definition = waiting[-1]
    wanted = _approval(run, definition)
    if not wanted:
        return f"{campaign} is being planned; look at it with campaigns status {campaign}, and approve it then"
    then = f"look at it again with `campaigns plan`, then: {command(campaign, wanted)}"
    known = [plan for run, _ in waiting for plan in approvables(session, run.id)]
    now = next((plan for plan in reversed(known) if plan.approval == wanted), None)
    old = next((plan for plan in reversed(known) if plan.approval.startswith(prefix)), None)
    if now is not None and old is not None:
        return f"the plan {prefix[:SHOWN]} of {campaign} is not what would be sent now: {now.changes(old)}; {then}"
    return f"{prefix[:SHOWN]} is no plan of {campaign}, whose plan is {wanted[:SHOWN]}; {then}"
