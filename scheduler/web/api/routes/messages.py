"""Single texts: a code, an alert."""

import math
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from fastapi import Header, Path, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from campaigns.access import Scope
from campaigns.calendar.periods import day_of
from scheduler.actions.acting import Actor
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.shapes.seen import SingleTextShape
from scheduler.actions.texts.messages import as_asked, hint, read_message, send_message
from scheduler.actions.texts.shown import message_json
from scheduler.web.api.guard import guarded_router, needs
from scheduler.web.api.idempotency import REPLAYED
from scheduler.web.api.parameters import MOST_ROW, Behind, Reader, sees_numbers
from scheduler.web.api.problems import CallProblem, answered, declared

router = guarded_router()

MOST_CHARACTERS: Final = 5_000
"""More than any text of ten segments has."""


class MessageIn(BaseModel):
    """A text for one person."""

    model_config = ConfigDict(extra="forbid", strict=True)

    to: str = Field(min_length=1, max_length=64, description="The number, as in a table: `+39 333 123 4567`.")
    text: str = Field(min_length=1, max_length=MOST_CHARACTERS, description="The text as it is sent; it has no fields.")
    device: str | None = Field(
        None, max_length=20, description="The phone, or phone and SIM (`2|0`); default: the primary one."
    )
    valid_for: str | None = Field(
        None, max_length=40, description="It is never sent later than this: `5m`; default `1h`, at most `7d`."
    )


Key = Annotated[
    str, Header(alias="Idempotency-Key", min_length=1, max_length=255, description="A key of your own for this text.")
]


@router.post("/messages", status_code=202, responses=answered(SingleTextShape, 202) | declared(409))
def message(wanted: MessageIn, key: Key, runtime: Behind, actor: Annotated[Actor, needs(Scope.SUBMIT)]) -> Response:
    """Send one transactional text at once. The same key again sends nothing, and has the same answer.

    So its state is always `pending`; the address in `Location` has the current one. The text waits like any other text
    for limits and for its person's other texts.
    """
    now = runtime.clock.now()
    try:
        sent = send_message(
            runtime, actor, wanted.to, wanted.text, key, device=wanted.device, valid_for=wanted.valid_for, now=now
        )
    except Refused as refused:
        if refused.code is not Refusal.QUOTA_SPENT:
            raise
        _, ends = day_of(now, ZoneInfo("UTC"))
        headers = {"Retry-After": str(math.ceil((ends - now).total_seconds()))}
        raise CallProblem(refused.code, str(refused), headers=headers) from None
    hint(runtime, sent)
    chapter = as_asked(read_message(runtime.store, sent.id, now=now))
    shown = message_json(chapter, runtime.settings.zone, full=sees_numbers(actor))
    headers = {"Location": f"/v1/messages/{sent.id}"} | ({} if sent.is_new else {REPLAYED: "true"})
    return JSONResponse(shown, 202, headers=headers)


@router.get("/messages/{id}", responses=answered(SingleTextShape) | declared(404))
def read(
    id: Annotated[int, Path(ge=1, le=MOST_ROW, description="The number of the message.")],
    runtime: Behind,
    actor: Reader,
) -> Response:
    """What became of a message, and why. As a campaign in the `story` of `campaigns why NUMBER --json`."""
    chapter = read_message(runtime.store, id, now=runtime.clock.now())
    return JSONResponse(message_json(chapter, runtime.settings.zone, full=sees_numbers(actor)))
