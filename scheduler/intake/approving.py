"""Whether a run waits for approval, and what there is to approve."""

from campaigns.definition import Definition
from campaigns.lifecycle import RunState
from campaigns.planning.approval import command, is_needed, to_approve
from worker.store.runs.runs import RunView


def awaited(run: RunView, definition: Definition) -> str:
    """Return the hash to approve before the run starts; empty if none is needed, or it is not known yet.

    The plan of a run has the texts of its steps, which need no approval of their own.
    """
    is_open = run.state in {RunState.SCHEDULED, RunState.AWAITING_APPROVAL}
    # The operator may have begun to require approval after the file was accepted: the run waits for it, although its
    # file does not ask for it.
    waits = run.state is RunState.AWAITING_APPROVAL
    if run.root_id is not None or not is_open or not (waits or is_needed(definition, run.to_look_at)):
        return ""
    wanted = to_approve(definition, run.plan_hash if run.planned_at else "")
    return "" if wanted == run.approved_hash else wanted


def told_to_approve(run: RunView, awaits: str) -> str:
    """Return the message for somebody who runs a file that waits for approval of the hash `awaits`."""
    return (
        f"{run.campaign} waits for approval, and nothing was sent: "
        f"look at it with `campaigns plan {run.source}`, "
        f"approve it with `{command(run.campaign, awaits)}`, and run the same command again."
    )
