"""The installation: phones, limits, what is held, and the document of this API."""

from functools import cache, partial
from typing import Annotated, Any, Final

from fastapi import Query, Request, Response
from fastapi.responses import JSONResponse

from scheduler.actions.answers import held_json
from scheduler.actions.reading.lists import read_all_held, read_broken_files
from scheduler.actions.reading.phones import read_phones
from scheduler.actions.shapes.seen import BrokenFileShape, HeldRequests, Items
from scheduler.actions.throttling import place_of, read_limits
from scheduler.report.shown.shapes import DeviceShape, LimitShape
from scheduler.web.api.document import PLACE
from scheduler.web.api.guard import guarded_router
from scheduler.web.api.listing import WantedPage, listed, of_list
from scheduler.web.api.parameters import Behind, Reader, sees_numbers
from scheduler.web.api.problems import PLAIN, answered, declared

router = guarded_router()

MOST_FILES: Final = 1_000


@router.get("/devices", responses=answered(Items[DeviceShape]))
def devices(runtime: Behind, _actor: Reader) -> Response:
    """Every phone and SIM that sent texts. As `campaigns devices --json`."""
    found = read_phones(runtime.store, runtime.settings, now=runtime.clock.now())
    return JSONResponse({"items": [device.as_json() for device in found]})


@router.get("/limits", responses=answered(Items[LimitShape]) | declared(404))
def limits(
    runtime: Behind,
    _actor: Reader,
    campaign: Annotated[str | None, Query(max_length=70, pattern=PLAIN, description="Only of this campaign.")] = None,
) -> Response:
    """Every limit in force, and who set it. As `campaigns throttle --json`."""
    place = place_of(runtime.store, runtime.settings, campaign=campaign)
    found = read_limits(runtime.store, runtime.settings, place, now=runtime.clock.now())
    return JSONResponse({"items": [limit.as_json() for limit in found]})


@router.get("/held", responses=of_list(HeldRequests) | declared(406))
async def held(request: Request, wanted: WantedPage, runtime: Behind, actor: Reader) -> Response:
    """The requests that a person has to decide on, in all campaigns: why, for how many people, and for whom.

    As the groups of `campaigns held NAME --json`, each with its campaign and run, and with 20 people at most;
    all of them are `recipients?state=held`.
    """
    read = partial(read_all_held, runtime.store)
    shown = partial(held_json, full=sees_numbers(actor))
    return await listed(request, wanted, read, shown, ("batch", "campaign", "run", "contact_list", "reason", "held"))


@router.get("/broken-files", responses=answered(Items[BrokenFileShape]))
def broken_files(runtime: Behind, actor: Reader) -> Response:
    """The campaign files of the inbox that cannot be used as they are, at most 1,000: why, and since when."""
    found = read_broken_files(runtime.store, limit=MOST_FILES)
    return JSONResponse({"items": [file.as_json(full=sees_numbers(actor)) for file in found]})


@router.get("/openapi.json", responses=answered(dict[str, Any]))
def openapi(_actor: Reader) -> Response:
    """This document."""
    return Response(_document(), media_type="application/json")


@cache
def _document() -> bytes:
    return PLACE.read_bytes()
