"""Campaign files and tables. The same file again changes nothing, so a program may send all of them at each start."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Header, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from campaigns.access import Scope
from campaigns.definition.loader import MAX_BYTES
from campaigns.problems import CampaignFileError
from scheduler.actions.answers import plan_json, table_json
from scheduler.actions.plans.facts import capacity_json, preview_json
from scheduler.actions.reading.plans import read_plan
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.shapes.capacity import CapacityShape
from scheduler.actions.shapes.done import KeptTable
from scheduler.actions.shapes.plans import PlanPreview, SubmittedPlan
from scheduler.actions.submitting import Submitted
from scheduler.actions.uploading.files import plan_upload, study_upload, submit_upload
from scheduler.actions.uploading.tables import keep_table, table_name
from scheduler.inbox.uploads import Upload, open_uploads, sole
from scheduler.web.api.guard import guarded_router, require
from scheduler.web.api.listing import JSON
from scheduler.web.api.parameters import Behind, Foreseer, Planner, Submitter, sees_numbers
from scheduler.web.api.problems import COUNTRY, PLAIN, SLUG, CallProblem, Fault, answered, declared, told_in_file
from scheduler.web.serving import MOVED_AT
from worker.runtime import Runtime

router = guarded_router()

YAML: Final = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")

MOST_TABLE_BYTES: Final = 512 * 1024 * 1024
"""A million people with ten columns take a fifth of it."""

MOST_SECONDS: Final = 600.0
"""How long a table may take to arrive."""

PART_BYTES: Final = 1024 * 1024
"""How much of a table is in memory at once."""

WAIT_SECONDS: Final = 5.0
"""How long a file waits while the same campaign is being submitted."""

LOOK_SECONDS: Final = 0.05

Slug = Annotated[str, InPath(pattern=SLUG, description="What the file says after `campaign:`.")]

IN_YAML: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {name: {"schema": {"type": "string"}} for name in YAML} | {JSON: {"schema": {"type": "object"}}},
    }
}
AS_BYTES: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.put(
    "/campaigns/{name}",
    responses=answered(SubmittedPlan | PlanPreview) | declared(404, 409, 415),
    openapi_extra=IN_YAML,
    max_body_size=MAX_BYTES,
)
async def campaign(
    request: Request,
    name: Slug,
    runtime: Behind,
    actor: Planner,
    dry_run: Annotated[bool, Query(description="Answer with the plan, and send nothing.")] = False,
) -> Response:
    """Submit a campaign: the file as it would lie in the inbox, or the same as JSON. It names tables of `/v1/tables`.

    `dry_run`: the plan, as `campaigns plan FILE --json`. Otherwise the run that it makes, and its plan, as
    `GET .../plan`; `taken`: `planned`, `kept`, `continued`, `tuned`, `extended` or `over`.
    """
    if not dry_run:
        require(actor, Scope.SUBMIT)
    content_type = request.headers.get("Content-Type", "")
    content = _as_yaml(content_type, await request.body())
    try:
        if dry_run:
            return JSONResponse(await run_in_threadpool(_plan, runtime, name, content, full=sees_numbers(actor)))
        folder = await run_in_threadpool(open_uploads, runtime.settings)
        async with _alone(folder, name):
            submit = partial(
                _with, folder, content, partial(submit_upload, runtime, actor, name, now=runtime.clock.now())
            )
            return JSONResponse(await run_in_threadpool(_submitted, runtime, name, submit))
    except CampaignFileError as error:
        if _type_of(content_type) != JSON:
            raise
        raise _in_json(error, f"{name}.yaml") from None


@router.post(
    "/campaigns/{name}/capacity",
    responses=answered(CapacityShape) | declared(415),
    openapi_extra=IN_YAML,
    max_body_size=MAX_BYTES,
)
async def capacity(
    request: Request,
    name: Slug,
    runtime: Behind,
    _actor: Foreseer,
    by: Annotated[
        str | None,
        Query(max_length=40, pattern=PLAIN, description="When it has to be done, such as 2026-12-01 18:00."),
    ] = None,
) -> Response:
    """What a campaign file would take: phones, hours, segments and disk, as `campaigns capacity FILE --json`.

    `by`: in the campaign's zone, or with an offset; the answer then has the changes with which it is done by then.
    Nothing is kept or sent.
    """
    content_type = request.headers.get("Content-Type", "")
    content = _as_yaml(content_type, await request.body())
    try:
        return JSONResponse(await run_in_threadpool(_capacity, runtime, name, content, by))
    except CampaignFileError as error:
        if _type_of(content_type) != JSON:
            raise
        raise _in_json(error, f"{name}.yaml") from None


def _capacity(runtime: Runtime, name: str, content: bytes, by: str | None) -> CapacityShape:
    folder = open_uploads(runtime.settings)
    study = partial(study_upload, runtime, name, by=by, now=runtime.clock.now())
    return capacity_json(_with(folder, content, study))


def _in_json(error: CampaignFileError, called: str) -> CallProblem:
    """Return the mistakes by their places in the JSON: the lines are those of a file that its sender never saw."""
    told = [told_in_file(each) for each in error.problems]
    places = [
        {"pointer": "body/" + _pointer(each), "detail": each["detail"]} if each["file"] == called else each
        for each in told
    ]
    more = f"; and {len(places) + error.more - 1} more" if len(places) + error.more > 1 else ""
    return CallProblem(Refusal.INVALID, f"{places[0]['detail']}{more}", errors=places)


def _pointer(place: dict[str, Any]) -> str:
    return re.sub(r"\.|\[(\d+)\]", lambda found: f"/{found[1] or ''}", str(place.get("pointer", "")))


def _type_of(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _as_yaml(content_type: str, body: bytes) -> bytes:
    media_type = _type_of(content_type)
    if media_type in YAML:
        return body
    if media_type != JSON:
        sentence = f"send the campaign file as {YAML[0]}, or as {JSON}"
        raise CallProblem(Fault.UNSUPPORTED_MEDIA_TYPE, sentence)
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, indent=2).encode()
    except (ValueError, RecursionError) as error:
        where = {"line": error.lineno, "column": error.colno} if isinstance(error, json.JSONDecodeError) else {}
        mistake = {"pointer": "body", **where, "detail": "is not JSON"}
        raise CallProblem(Refusal.INVALID, "the body is not JSON", errors=[mistake]) from None


def _with(folder: Path, content: bytes, act: Any) -> Any:
    """Do something with a file that has this content for as long."""
    with Upload(folder, suffix=".yaml") as upload:
        upload.write(content)
        return act(upload)


def _plan(runtime: Runtime, name: str, content: bytes, *, full: bool) -> PlanPreview:
    folder = open_uploads(runtime.settings)
    seen = _with(folder, content, lambda upload: plan_upload(runtime, name, upload, now=runtime.clock.now()))
    return preview_json(seen, full=full)


def _submitted(runtime: Runtime, name: str, submit: Any) -> SubmittedPlan:
    done: Submitted = submit()
    return {"taken": done.taken.value, "added": done.added, **plan_json(read_plan(runtime.store, name, done.run.id))}


@asynccontextmanager
async def _alone(folder: Path, name: str) -> AsyncIterator[None]:
    """Wait until nobody else submits this campaign. No thread waits: they are few for all calls."""
    until = time.monotonic() + WAIT_SECONDS
    while True:
        with sole(folder, name) as is_alone:
            if is_alone:
                yield
                return
        if time.monotonic() > until:
            sentence = f"{name} is being submitted by another call; send it again to have the answer"
            raise Refused(Refusal.UNDER_WAY, sentence)
        await asyncio.sleep(LOOK_SECONDS)


@router.put(
    "/tables/{name}",
    responses=answered(KeptTable) | declared(404, 408),
    openapi_extra=AS_BYTES,
    max_body_size=MOST_TABLE_BYTES,
)
async def table(
    request: Request,
    name: Annotated[str, InPath(min_length=1, max_length=100, pattern=PLAIN, description="As campaigns name it.")],
    runtime: Behind,
    actor: Submitter,
    content_digest: Annotated[
        str, Header(max_length=1_000, description="The SHA-256 of the body (RFC 9530): `sha-256=:BASE64:`.")
    ],
    number: Annotated[
        str, Query(min_length=1, max_length=200, pattern=PLAIN, description="The column that holds the numbers.")
    ] = "number",
    region: Annotated[
        str | None,
        Query(pattern=COUNTRY, description="The country of numbers without one, as `default_region`."),
    ] = None,
) -> Response:
    """Keep a table for campaigns that name it: .csv, .tsv, .jsonl or .xlsx. Every row is read, and bad ones are told.

    `changed` is false if this very table was there already.
    """
    called, claimed = table_name(name), _claimed(content_digest)
    folder = await run_in_threadpool(open_uploads, runtime.settings)
    with await run_in_threadpool(partial(Upload, folder, suffix=Path(called).suffix.lower())) as upload:
        await _receive(request, upload)
        keep = partial(keep_table, runtime, actor, called, upload, number=number, region=region, claimed=claimed)
        kept = await run_in_threadpool(keep, now=runtime.clock.now())
    return JSONResponse(table_json(kept))


def _claimed(header: str) -> str:
    found = re.search(r"(?:^|[,\s])(sha-256=:[A-Za-z0-9+/]{43}=:)", header)
    if found is None:
        sentence = "must have the SHA-256 of the body: `Content-Digest: sha-256=:BASE64:`"
        raise Refused(Refusal.INVALID, f"Content-Digest {sentence}", field="Content-Digest")
    return found[1]


async def _receive(request: Request, upload: Upload) -> None:
    """Write the body to the disk as it comes."""
    waiting = bytearray()
    try:
        async with asyncio.timeout(MOST_SECONDS):
            async for part in request.stream():
                request.scope[MOVED_AT] = asyncio.get_running_loop().time()
                waiting += part
                if len(waiting) >= PART_BYTES:
                    await run_in_threadpool(upload.write, bytes(waiting))
                    waiting.clear()
    except (TimeoutError, ClientDisconnect):
        sentence = f"the table did not arrive whole within {MOST_SECONDS:g} s; nothing of it was kept"
        raise CallProblem(Fault.TOO_SLOW, sentence) from None
    await run_in_threadpool(upload.write, bytes(waiting))
