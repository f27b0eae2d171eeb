"""Routes outside the API: each says who may call it, and whether any name in `Host` will do."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final

from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Send

from campaigns.access import Scope

SIGN_IN: Final = "/signin"
SIGN_OUT: Final = "/signout"

Endpoint = Callable[[Request], Awaitable[Response]]


class DoorRoute(Route):
    """A route with the scope that it asks for; None: anybody may call it."""

    def __init__(
        self, path: str, endpoint: Endpoint, scope: Scope | None, *, methods: Sequence[str] = ("GET",), any_host: bool
    ) -> None:
        self.scope = scope
        self.any_host = any_host
        super().__init__(path, endpoint, methods=list(methods), middleware=[] if any_host else [Middleware(KnownHosts)])


class KnownHosts:
    """Answers only calls whose `Host` is one of ours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        from scheduler.web.access import is_known_host
        from scheduler.web.api.problems import CallProblem, Fault, answer

        if is_known_host(HTTPConnection(scope)):
            await self._app(scope, receive, send)
            return
        from scheduler.web.desk.pages import problem_page, wants_page

        sentence = "the host name of this call is not known here; add it to CAMPAIGNS_HTTP_HOSTS"
        problem, request = CallProblem(Fault.MISDIRECTED, sentence), Request(scope)
        is_page = wants_page(request) and not scope.get("root_path")  # what is mounted is the API
        await (problem_page(request, None, problem) if is_page else answer(problem))(scope, receive, send)


HEADERS: Final = {
    b"content-security-policy": b"default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}
"""Headers of every answer, unless it sets them itself."""


class SafeHeaders:
    """Adds these headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", ()))
                named = {name.lower() for name, _ in own}
                more = [(name, value) for name, value in HEADERS.items() if name not in named]
                message = {**message, "headers": [*own, *more]}
            await send(message)

        await self._app(scope, receive, sent)
