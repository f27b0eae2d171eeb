"""People, what they opted out of, and what they wrote."""

from functools import partial
from typing import Annotated

from fastapi import Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from campaigns.access import Scope
from campaigns.definition import Kind
from campaigns.optout import Meaning
from scheduler.actions.acting import Actor
from scheduler.actions.answers import person_json, suppression_json
from scheduler.actions.reading.lists import read_suppressions
from scheduler.actions.reading.people import read_person
from scheduler.actions.reading.replies import read_conversation, read_replies
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.shapes.done import AnsweredShape
from scheduler.actions.shapes.seen import ConversationShape, PersonShape, PlacedOptOut, WrittenReply
from scheduler.actions.texts.messages import SingleMessage, hint
from scheduler.actions.texts.replying import answer_reply
from scheduler.actions.texts.shown import answered_json, conversation_json, written_json
from scheduler.report.people import NO_STORY
from scheduler.web.api.guard import guarded_router, needs
from scheduler.web.api.idempotency import MadeOnce
from scheduler.web.api.listing import WantedPage, listed, of_list
from scheduler.web.api.parameters import MOST_ID, MOST_ROW, Behind, Reader, sees_numbers
from scheduler.web.api.problems import PLAIN, answered, declared
from scheduler.web.api.routes.messages import MOST_CHARACTERS

router = guarded_router()

Number = Annotated[
    str,
    Path(
        min_length=1, max_length=32, pattern=PLAIN, description="With `+` (as `%2B`) and country, or as a row has it."
    ),
]


ReplyId = Annotated[int, Path(ge=1, le=MOST_ROW, description="The `id` of a reply.")]


class Answer(BaseModel):
    """An answer to a reply."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str = Field(min_length=1, max_length=MOST_CHARACTERS, description="The text as it is sent.")
    seen: int = Field(default=0, ge=0, le=MOST_ID, description="How many answers to this reply the caller has seen.")


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
    answered: Annotated[bool | None, Query(description="Only those with, or without, an answer.")] = None,
) -> Response:
    """What people wrote, in the order in which it was stored. As the `replies` of `campaigns why --json`, with
    `id`, `number` and `reviewed_at`.
    """
    read = partial(read_replies, runtime.store, meaning, waiting=waiting, answered=answered)
    shown = partial(written_json, full=sees_numbers(actor))
    return await listed(request, wanted, read, shown, REPLY)


@router.get("/replies/{reply}", responses=answered(ConversationShape) | declared(404))
def conversation(reply: ReplyId, runtime: Behind, actor: Reader) -> Response:
    """A reply with what was written before and after it. As `campaigns reply ID --json`."""
    return JSONResponse(conversation_json(read_conversation(runtime.store, reply), full=sees_numbers(actor)))


@router.post("/replies/{reply}/answer", responses=answered(AnsweredShape) | declared(404, 409))
def answer(
    reply: ReplyId, runtime: Behind, actor: Annotated[Actor, needs(Scope.REPLY)], once: MadeOnce, asked: Answer
) -> Response:
    """Answer a reply by one text, from the phone that received it. As `campaigns reply ID TEXT --json`.

    409 `answered` if somebody has answered it already and the call does not say that this was seen.
    """
    now, made = runtime.clock.now(), list[SingleMessage]()

    def act() -> AnsweredShape:
        done = answer_reply(runtime, actor, reply, asked.text, seen=asked.seen, now=now)
        made.append(done.message)
        return answered_json(done)

    response = once(act)
    for message in made:
        hint(runtime, message)
    return response


REPLY = ("id", "number", "meaning", "text", "received_at", "campaign", "run", "reviewed_at")
"""The columns of replies as CSV."""
