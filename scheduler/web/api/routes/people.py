"""People, what they opted out of, and what they wrote."""

from functools import partial
from typing import Annotated

from fastapi import Path, Query, Request, Response
from fastapi.responses import JSONResponse

from campaigns.definition import Kind
from campaigns.optout import Meaning
from scheduler.actions.answers import person_json, suppression_json, written_json
from scheduler.actions.reading.lists import read_replies, read_suppressions
from scheduler.actions.reading.people import read_person
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.shapes.seen import PersonShape, PlacedOptOut, WrittenReply
from scheduler.report.people import NO_STORY
from scheduler.web.api.guard import guarded_router
from scheduler.web.api.listing import WantedPage, listed, of_list
from scheduler.web.api.parameters import Behind, Reader, sees_numbers
from scheduler.web.api.problems import PLAIN, answered, declared

router = guarded_router()

Number = Annotated[
    str,
    Path(
        min_length=1, max_length=32, pattern=PLAIN, description="With `+` (as `%2B`) and country, or as a row has it."
    ),
]


@router.get("/people/{number}", responses=answered(PersonShape) | declared(404))
def person(number: Number, runtime: Behind, actor: Reader) -> Response:
    """Everything known about one number, over all campaigns. As `campaigns why NUMBER --json`."""
    settings = runtime.settings
    known = read_person(runtime.store, number, settings.region, now=runtime.clock.now())
    if known.problem and known.story == NO_STORY:
        raise Refused(Refusal.INVALID, f"nobody is known by this number: {known.problem}", field="path/number")
    return JSONResponse(person_json(known, settings.zone, full=sees_numbers(actor)))


@router.get("/suppressions", responses=of_list(PlacedOptOut) | declared(406))
async def suppressions(
    request: Request,
    wanted: WantedPage,
    runtime: Behind,
    actor: Reader,
    kind: Annotated[Kind | None, Query(description="Only entries for this kind of campaign.")] = None,
) -> Response:
    """The numbers that get nothing. As `campaigns suppress list --json`, with `id`."""
    read = partial(read_suppressions, runtime.store, kind)
    shown = partial(suppression_json, full=sees_numbers(actor))
    return await listed(request, wanted, read, shown, ("id", "number", "kind", "since", "source", "reason"))


@router.get("/replies", responses=of_list(WrittenReply) | declared(406))
async def replies(
    request: Request,
    wanted: WantedPage,
    runtime: Behind,
    actor: Reader,
    meaning: Annotated[Meaning | None, Query(description="Only those that were understood so.")] = None,
    waiting: Annotated[bool, Query(description="Only those that a person has to read.")] = False,
) -> Response:
    """What people wrote, in the order in which it was stored. As the `replies` of `campaigns why --json`, with
    `id`, `number` and `reviewed_at`.
    """
    read = partial(read_replies, runtime.store, meaning, waiting=waiting)
    shown = partial(written_json, full=sees_numbers(actor))
    return await listed(request, wanted, read, shown, REPLY)


REPLY = ("id", "number", "meaning", "text", "received_at", "campaign", "run", "reviewed_at")
"""The columns of replies as CSV."""
