"""Campaigns, their runs, plans and recipients."""

from functools import partial
from typing import Annotated, Final

from fastapi import Query, Request, Response
from fastapi.responses import JSONResponse

from campaigns.lifecycle import RecipientState
from campaigns.optout import Meaning
from scheduler.actions.answers import plan_json, recipient_json
from scheduler.actions.reading.plans import read_plan
from scheduler.actions.reading.recipients import FIGURES, read_recipients
from scheduler.actions.reading.runs import read_campaigns, read_runs
from scheduler.actions.shapes.plans import PlanShape
from scheduler.actions.shapes.seen import RecipientShape
from scheduler.report.shown.shapes import ProgressShape
from scheduler.report.summary import progress_json
from scheduler.web.api.guard import guarded_router
from scheduler.web.api.listing import WantedPage, listed, of_list
from scheduler.web.api.parameters import MOST_ID, Behind, CampaignName, OfRun, Reader, RunId, sees_numbers
from scheduler.web.api.problems import PLAIN, answered, declared
from worker.store.reports.exports import COLUMNS

router = guarded_router()

REACHED: Final = f"^({'|'.join(FIGURES)})$"
"""A figure by which campaigns are compared."""

REPLIED: Final = f"^({'|'.join(('any', 'none', 'answer', *Meaning))})$"
"""A meaning of what somebody wrote, or whether they wrote at all."""


@router.get("/campaigns", responses=of_list(ProgressShape) | declared(406))
async def campaigns(request: Request, wanted: WantedPage, runtime: Behind, _actor: Reader) -> Response:
    """How far all campaigns are, the oldest first. As `campaigns status --json`; `limit` counts campaigns.

    One that repeats has an object for each unfinished run, and for the last finished one.
    """
    read = partial(read_campaigns, runtime.store, now=runtime.clock.now())
    return await listed(request, wanted, read, progress_json, ("campaign", "run", "state", "started_at", "finished_at"))


@router.get("/campaigns/{name}", responses=answered(ProgressShape) | declared(404))
def campaign(name: CampaignName, runtime: Behind, _actor: Reader) -> Response:
    """How far a campaign is: its latest run, or the next day of one that reminds. As `campaigns status NAME --json`."""
    return JSONResponse(progress_json(read_runs(runtime.store, name, now=runtime.clock.now())[0]))


@router.get("/campaigns/{name}/runs/{run}", responses=answered(ProgressShape) | declared(404))
def run(name: CampaignName, run: RunId, runtime: Behind, _actor: Reader) -> Response:
    """How far one run of a campaign is. As `campaigns status NAME --run RUN --json`."""
    return JSONResponse(progress_json(read_runs(runtime.store, name, run, now=runtime.clock.now())[0]))


@router.get("/campaigns/{name}/plan", responses=answered(PlanShape) | declared(404))
def plan(name: CampaignName, runtime: Behind, _actor: Reader, run: OfRun = None) -> Response:
    """The plan of a run: its hash, its figures and its forecast, and whether it waits for an approval.

    The figures are those of `campaigns plan FILE --json`, without texts. `plan` is null until it has been made.
    """
    return JSONResponse(plan_json(read_plan(runtime.store, name, run)))


@router.get("/campaigns/{name}/recipients", responses=of_list(RecipientShape) | declared(404, 406))
async def recipients(
    request: Request,
    name: CampaignName,
    wanted: WantedPage,
    runtime: Behind,
    actor: Reader,
    run: OfRun = None,
    state: Annotated[RecipientState | None, Query(description="Only those in this state.")] = None,
    reason: Annotated[str | None, Query(max_length=1_000, pattern=PLAIN, description="Only with this reason.")] = None,
    device: Annotated[int | None, Query(ge=0, le=MOST_ID, description="Only by this phone.")] = None,
    variant: Annotated[str | None, Query(max_length=100, pattern=PLAIN, description="Only of this variant.")] = None,
    reply: Annotated[
        str | None,
        Query(pattern=REPLIED, description="Only who wrote back, or did not; `answer`: not only STOP, START or HELP."),
    ] = None,
    result_code: Annotated[int | None, Query(ge=0, le=MOST_ID, description="Only with this code of the phone.")] = None,
    part: Annotated[
        str | None, Query(max_length=120, pattern=PLAIN, description="Only of `text.NAME` (a variant), or `control`.")
    ] = None,
    reached: Annotated[
        str | None, Query(pattern=REACHED, description="Only who are counted in this figure of a comparison.")
    ] = None,
) -> Response:
    """The recipients of a run in the order of the audience: all, or those that every given filter matches.

    As `campaigns export NAME`, with `id` and `run`. With a filter, a page may have fewer rows than `limit`, even none:
    what counts is `next`.
    """
    given = {"state": state, "reason": reason, "device": device, "variant": variant, "reply": reply}
    given |= {"result_code": result_code, "part": part, "reached": reached}
    filters = {column: value for column, value in given.items() if value is not None}
    read = partial(read_recipients, runtime.store, name, run, filters)
    shown = partial(recipient_json, full=sees_numbers(actor))
    return await listed(request, wanted, read, shown, ("id", "run", *COLUMNS))
