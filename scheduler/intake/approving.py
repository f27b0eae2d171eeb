"""Whether a run waits for somebody to approve it, and what they would have to approve."""

from campaigns.definition import Definition
from campaigns.lifecycle import RunState
from campaigns.planning.approval import command, is_needed, to_approve
from worker.store.runs.runs import RunView


def awaited(run: RunView, definition: Definition) -> str:
    """The hash that has to be approved before the run starts; empty where nothing has to be, or it is not known yet."""
    is_open = run.state in {RunState.SCHEDULED, RunState.AWAITING_APPROVAL}
    # The operator may have come to require it after the file was taken up: the run waits for it, and its file does not.
    waits = run.state is RunState.AWAITING_APPROVAL
    if not is_open or not (waits or is_needed(definition, run.to_look_at)):
        return ""
    wanted = to_approve(definition, run.plan_hash if run.planned_at else "")
    return "" if wanted == run.approved_hash else wanted


def told_to_approve(run: RunView, awaits: str) -> str:
    """What somebody is told who runs a file that waits for approval of the hash `awaits`."""
    return (
        f"{run.campaign} waits for approval, and nothing of it was sent: "
        f"look at it with `campaigns plan {run.source}`, "
        f"approve it with `{command(run.campaign, awaits)}`, and run the same command again."
    )
