"""Who did what, what is wrong just now, and what others were told of."""

from functools import partial
from typing import Annotated

from fastapi import Path, Query, Request, Response
from fastapi.responses import JSONResponse

from scheduler.actions.reading.alerts import read_alerts
from scheduler.actions.reading.audit import audit_json, begins_at, read_audit
from scheduler.actions.reading.calls import call_json, read_calls_before
from scheduler.actions.reading.system import read_processes
from scheduler.actions.shapes.seen import AlertShape, AuditedShape, CallShape, ExaminedShape, Items, ProcessShape
from scheduler.actions.upkeep.repeating import repeat_call
from scheduler.web.api.guard import guarded_router
from scheduler.web.api.idempotency import MadeOnce
from scheduler.web.api.listing import WantedPage, listed, of_list
from scheduler.web.api.parameters import MOST_ROW, Behind, Controller, Reader
from scheduler.web.api.problems import PLAIN, answered, declared
from scheduler.web.checkup import examined_by

router = guarded_router()

CallId = Annotated[int, Path(ge=1, le=MOST_ROW, description="The `id` of a call that was made.")]


@router.get("/audit", responses=of_list(AuditedShape) | declared(406))
async def audit(
    request: Request,
    wanted: WantedPage,
    runtime: Behind,
    _actor: Controller,
    campaign: Annotated[str, Query(max_length=70, pattern=PLAIN, description="Only of this campaign.")] = "",
    actor: Annotated[
        str, Query(max_length=121, pattern=PLAIN, description="Only by this one: `anna`, or `token:ci`.")
    ] = "",
    action: Annotated[str, Query(max_length=40, pattern=PLAIN, description="Only this action, such as `pause`.")] = "",
    since: Annotated[
        str | None, Query(max_length=40, description="Only from then on: `2026-12-01T09:00:00Z`, `2026-12-01`, `7d`.")
    ] = None,
) -> Response:
    """Who did what, when and from where, the newest first. As `campaigns audit --json`."""
    begins = None if since is None else begins_at(since, runtime.settings.zone, now=runtime.clock.now())
    read = partial(read_audit, runtime.store, campaign=campaign, actor=actor, action=action, since=begins)
    return await listed(request, wanted, read, audit_json, AUDIT)


AUDIT = ("id", "at", "actor", "from", "action", "campaign", "run", "plan", "subject", "detail", "digest")
"""The columns of the audit as CSV."""


@router.get("/alerts", responses=answered(Items[AlertShape]))
def alerts(
    runtime: Behind,
    _actor: Reader,
    all_: Annotated[bool, Query(alias="all", description="Also the last ones that were cleared.")] = False,
) -> Response:
    """What is wrong just now, the most severe first. As `campaigns alerts --json`."""
    found = read_alerts(runtime.store, with_cleared=all_)
    return JSONResponse({"items": [alert.as_json() for alert in found]})


@router.get("/processes", responses=answered(Items[ProcessShape]))
def processes(runtime: Behind, _actor: Controller) -> Response:
    """The processes of the service: which, where, which version, since when, and which of them runs the clock."""
    found = read_processes(runtime.store, now=runtime.clock.now())
    return JSONResponse({"items": [each.as_json() for each in found]})


@router.get("/doctor", responses=answered(ExaminedShape) | declared(404))
def doctor(request: Request, _actor: Controller) -> Response:
    """Check settings, database, queue, clocks and gateway. As `campaigns doctor --json`.

    It reads from the gateway, so it may take some seconds; what it found is kept for ten.
    """
    return JSONResponse(examined_by(request.app.state.examine))


@router.get("/calls", responses=of_list(CallShape) | declared(406))
async def calls(
    request: Request,
    wanted: WantedPage,
    runtime: Behind,
    _actor: Controller,
    failed: Annotated[bool, Query(description="Only those that did not get through.")] = False,
) -> Response:
    """The calls of webhooks, e-mail and the command, the newest first, one a try. As `campaigns calls --json`."""
    read = partial(read_calls_before, runtime.store, only_failed=failed)
    return await listed(request, wanted, read, call_json, CALL)


CALL = ("id", "notice", "at", "channel", "event", "target", "status", "problem", "seconds")
"""The columns of calls as CSV."""


@router.post("/calls/{id}/repeat", responses=answered(CallShape) | declared(404, 409))
def repeat(id: CallId, runtime: Behind, actor: Controller, once: MadeOnce) -> Response:
    """Tell it again, with the same `webhook-id`, and answer with the new call. As `campaigns calls repeat ID --json`.

    200 also if it did not get through again: then `problem` says why, and the service goes on trying.
    """
    if (known := once.kept()) is not None:
        return known
    # Its target is called here, outside every transaction: one that is slow must not keep the database locked.
    made = repeat_call(runtime.store, runtime.settings, actor, id, runtime.clock)
    return once(lambda: call_json(made))
