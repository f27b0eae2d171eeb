"""News as they happen, as server-sent events."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final

from fastapi import Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from scheduler.actions.answers import news_json
from scheduler.actions.reading.runs import read_runs
from scheduler.actions.shapes.seen import Happening
from scheduler.web.api.document import place_of
from scheduler.web.api.feed import NewsFeed
from scheduler.web.api.guard import guarded_router
from scheduler.web.api.listing import JSON, moving
from scheduler.web.api.parameters import MOST_ROW, Behind, Reader
from scheduler.web.api.problems import PLAIN, declared
from worker.store.reports.lists import News

router = guarded_router()

MEDIA_TYPE: Final = "text/event-stream"

RETRY_MS: Final = 1_000
"""How long a browser waits before it comes back."""

LastEventId = Annotated[int | None, Header(ge=0, le=MOST_ROW, description="The id of the last event that came.")]
_DATA: Final = {"type": "string", "contentMediaType": JSON, "contentSchema": place_of(Happening)}
_EVENT: Final = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {"id": {"type": "string"}, "event": {"type": "string"}, "data": _DATA},
}
SHOWN: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}, "itemSchema": _EVENT}}}
}


@router.get("/events", responses=SHOWN | declared(404), response_class=Response)
async def events(
    request: Request,
    runtime: Behind,
    actor: Reader,
    last_event_id: LastEventId = None,
    campaign: Annotated[str | None, Query(max_length=70, pattern=PLAIN, description="Only of this campaign.")] = None,
) -> Response:
    """What webhooks are told, as it happens: `run.started`, `run.completed`, `run.paused` and so on.

    From now on, or after `Last-Event-ID`. The answer ends after ten minutes; come back with the id of the last event.
    """
    feed: NewsFeed = request.app.state.feed
    feed.refuse_if_full(str(actor))
    if campaign is not None:  # for an unknown name, nothing would ever come
        await run_in_threadpool(read_runs, runtime.store, campaign, now=runtime.clock.now())
    following = feed.follow(str(actor), last_event_id)
    return StreamingResponse(moving(request, _written(following, campaign)), media_type=MEDIA_TYPE)


async def _written(following: AsyncIterator[Sequence[News]], campaign: str | None) -> AsyncIterator[bytes]:
    await anext(following)  # who has read the first line misses nothing that happens then
    yield f"retry: {RETRY_MS}\n\n".encode()
    async for news in following:
        told = [each for each in news if campaign in {None, each.campaign}]
        # A comment, even if others had news: whoever reads this knows that the line is open.
        yield "".join(map(_event, told)).encode() if told else b":\n\n"


def _event(news: News) -> str:
    return f"id: {news.id}\nevent: {news.event}\ndata: {json.dumps(news_json(news))}\n\n"
