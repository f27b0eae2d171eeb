"""The API of one installation."""

from threading import Event
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scheduler.web.api.document import complete
from scheduler.web.api.feed import QUIET_SECONDS, NewsFeed
from scheduler.web.api.limits import CallRates
from scheduler.web.api.problems import answer, answer_error, as_problem
from scheduler.web.api.routes import (
    bulk,
    campaigns,
    control,
    events,
    files,
    installation,
    messages,
    opt_outs,
    oversight,
    people,
)
from worker.runtime import Runtime

PREFIX: Final = "/v1"
MOST_BYTES: Final = 1024 * 1024
"""The largest body that is read, except for tables."""

PRIVATE: Final = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))

ROUTERS: Final = (
    campaigns.router,
    control.router,
    bulk.router,
    files.router,
    people.router,
    opt_outs.router,
    installation.router,
    messages.router,
    oversight.router,
    events.router,
)


class Private:
    """Headers of every answer: nobody may cache it or guess its type."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *PRIVATE]}
            await send(message)

        await self._app(scope, receive, sent)


class LimitSaid:
    """Answers with a problem where FastAPI's limit of a body answers with plain text, outside every handler."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        is_said = False

        async def sent(message: Message) -> None:
            nonlocal is_said
            if message["type"] == "http.response.start" and message["status"] == 413:
                is_said = dict(message["headers"]).get(b"content-type", b"").startswith(b"text/plain")
                if is_said:
                    await answer(as_problem(HTTPException(413)))(scope, receive, send)
            if not is_said:
                await send(message)

        await self._app(scope, receive, sent)


def make_api(runtime: Runtime, leaving: Event, *, quiet_seconds: float = QUIET_SECONDS) -> FastAPI:
    """Make the API of a runtime. `leaving` is set when the door closes; `quiet_seconds` as in `NewsFeed`."""
    api = _api()
    api.state.runtime = runtime
    api.state.rates = CallRates(runtime.settings.api_rate)
    api.state.feed = NewsFeed(runtime.store, leaving, quiet_seconds)
    return api


def routes() -> list[APIRoute]:
    """Return every route."""
    return [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def document() -> dict[str, Any]:
    """Return the OpenAPI document, as the routes are now."""
    return complete(_api().openapi(), routes())


def _api() -> FastAPI:
    api = FastAPI(
        title="campaigns",
        version="1",
        servers=[{"url": PREFIX}],
        openapi_url=None,  # the document that is checked in is served, at no cost
        redirect_slashes=False,
        max_body_size=MOST_BYTES,
        # It would report addresses, which may hold numbers, to whatever the environment names.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    api.add_middleware(Private)
    api.add_exception_handler(HTTPException, answer_error)
    api.add_exception_handler(RequestValidationError, answer_error)
    for router in ROUTERS:
        api.include_router(router)
    return api
