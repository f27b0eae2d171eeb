"""One action for everybody of a run whom a filter matches, once its plan was looked at."""

from typing import Annotated, Any, Final

from fastapi import Response
from pydantic import Field

from campaigns.access import Scope
from campaigns.lifecycle import RecipientState
from campaigns.protocol.bulk_actions import BulkAction
from scheduler.actions.answers import bulk_json
from scheduler.actions.bulk import BulkSelection, ask_first, do_bulk, plan_bulk
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.shapes.done import BulkShape
from scheduler.web.api.guard import guarded_router, require
from scheduler.web.api.idempotency import MadeOnce
from scheduler.web.api.parameters import MOST_ID, MOST_ROW, Behind, CampaignName, Controller
from scheduler.web.api.problems import PLAIN, answered, declared
from scheduler.web.api.routes.campaigns import REACHED, REPLIED
from scheduler.web.api.routes.control import Asked, Run

router = guarded_router()

MOST_OPT_OUTS: Final = 1_000
"""In one call, whose answer and changes are one transaction that requests wait for."""


class People(Asked):
    """Whom, as the options of `campaigns people`, and what to do for them."""

    do: BulkAction = Field(description="What to do for everybody who matches.")
    plan: Annotated[str, Field(max_length=64, pattern=PLAIN)] | None = Field(
        default=None, description="The `plan` of an earlier answer: do it for exactly those. Without it, only say whom."
    )
    run: Run = None
    state: RecipientState | None = None
    reason: Annotated[str, Field(max_length=1_000, pattern=PLAIN)] | None = None
    device: Annotated[int, Field(ge=0, le=MOST_ID)] | None = None
    variant: Annotated[str, Field(max_length=100, pattern=PLAIN)] | None = None
    batch: Annotated[int, Field(ge=1, le=MOST_ROW)] | None = None
    reply: Annotated[str, Field(pattern=REPLIED)] | None = None
    result_code: Annotated[int, Field(ge=0, le=MOST_ID)] | None = None
    part: Annotated[str, Field(max_length=120, pattern=PLAIN)] | None = None
    reached: Annotated[str, Field(pattern=REACHED)] | None = None


COLUMNS: Final = frozenset({"state", "reason", "device", "variant", "reply", "result_code", "part", "reached"})
"""What of it is a filter by its own name."""


@router.post("/campaigns/{name}/people", responses=answered(BulkShape) | declared(404, 409, 412, 502))
def people(name: CampaignName, runtime: Behind, actor: Controller, once: MadeOnce, asked: People) -> Response:
    """Do something for everybody of a run who matches. As `campaigns people NAME --json`; 412 if they have changed.

    `opt-out` also needs the scope `suppress`, and takes at most 1,000 people a call: a call is one transaction, and
    requests that are about to be made wait for it. For more, use `campaigns people NAME --do opt-out` or the desk.
    """
    if asked.do is BulkAction.OPT_OUT:
        require(actor, Scope.SUPPRESS)
    if (known := once.kept()) is not None:
        return known
    filters: dict[str, Any] = asked.model_dump(include=set(COLUMNS))
    filters["batch_id"] = asked.batch
    chosen = BulkSelection(name, asked.run, {column: value for column, value in filters.items() if value is not None})
    plan = plan_bulk(runtime.store, asked.do, chosen)
    seal, now = asked.plan, runtime.clock.now()
    if seal is None:
        return once(lambda: bulk_json(plan))
    if asked.do is BulkAction.OPT_OUT and plan.people > MOST_OPT_OUTS:
        sentence = f"one call opts out at most {MOST_OPT_OUTS:,} people; use the desk, or campaigns people {name}"
        raise Refused(Refusal.INVALID, sentence)
    ask_first(runtime, asked.do, chosen)

    def act() -> BulkShape:
        return bulk_json(plan, do_bulk(runtime, actor, asked.do, chosen, seal, now=now))

    return once(act)
