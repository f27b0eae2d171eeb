"""What routes are called with: who calls, the runtime behind them, and names and numbers in addresses."""

from typing import Annotated, Final

from fastapi import Depends, Path, Query, Request
from starlette.concurrency import run_in_threadpool

from campaigns.access import Scope, is_allowed
from scheduler.actions.acting import Actor
from scheduler.web.access import READS
from scheduler.web.api.guard import needs
from scheduler.web.api.problems import PLAIN
from worker.runtime import Runtime

MOST_ID: Final = 2**31 - 1
MOST_ROW: Final = 2**63 - 1


async def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    if request.method in READS and runtime.store.replica is not None:
        return await run_in_threadpool(runtime.from_replica)
    return runtime


Reader = Annotated[Actor, needs(Scope.READ)]
Approver = Annotated[Actor, needs(Scope.APPROVE)]
Controller = Annotated[Actor, needs(Scope.CONTROL)]
Suppressor = Annotated[Actor, needs(Scope.SUPPRESS)]
Admin = Annotated[Actor, needs(Scope.ADMIN)]
Submitter = Annotated[Actor, needs(Scope.SUBMIT)]
Planner = Annotated[Actor, needs(Scope.SUBMIT, or_else=Scope.PLAN)]
"""Submits, or may at least ask for a plan."""
Foreseer = Annotated[Actor, needs(Scope.PLAN)]
Behind = Annotated[Runtime, Depends(_runtime)]
"""What the call works on; one that only reads may read the replica."""

CampaignName = Annotated[str, Path(min_length=1, max_length=70, pattern=PLAIN, description="The campaign's name.")]
RunId = Annotated[int, Path(ge=1, le=MOST_ID, description="The number of a run.")]
OfRun = Annotated[
    int | None,
    Query(alias="run", ge=1, le=MOST_ID, description="The number of a run; by default the latest that began."),
]


def sees_numbers(actor: Actor) -> bool:
    """Return whether the caller may see numbers and texts in full."""
    return is_allowed(actor.scopes, Scope.READ_NUMBERS)
