"""The routes."""

import asyncio
import math
import time
from collections.abc import Sequence
from threading import Event
from typing import Final

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount

from scheduler.replies.inbound import take_in
from scheduler.web.checkup import Examine
from scheduler.web.door_routes import SIGN_IN, SIGN_OUT, DoorRoute, KnownHosts, SafeHeaders
from scheduler.web.first_run import FIRST, FirstRun
from scheduler.web.inbound import BODY_SECONDS, WebhookReceiver
from scheduler.web.metrics import metrics_route
from scheduler.web.taking import ReplyBatcher
from worker.gateway import Message
from worker.runtime import Runtime
from worker.store.engine import Store
from worker.store.errors import STORE_FAILS

WEBHOOK: Final = "/webhook/inbound"
HEALTH: Final = "/healthz"
HEALTH_SECONDS: Final = 5.0
HEALTH_KEPT_SECONDS: Final = 1.0


def make_app(
    runtime: Runtime,
    key: SecretStr | None = None,
    *,
    body_seconds: float = BODY_SECONDS,
    quiet_seconds: float | None = None,
    first: FirstRun | None = None,
    is_local: bool = True,
    has_webhook: bool = True,
    examine: Examine | None = None,
) -> Starlette:
    """The front door of one account. `key`: that of a private sandbox used as the gateway.

    `body_seconds`: how long the body of a request may take to arrive. `quiet_seconds`: after how long without events
    their listeners are told that the line is open; None: the usual. `first`: lets the first person in. `is_local`: only
    this machine reaches it. `has_webhook`: the webhook has no door of its own. `examine`: checks the installation.
    """
    # Here, because only a process that listens needs it: FastAPI takes a quarter of a second.
    from scheduler.web.api.app import PREFIX, LimitSaid, make_api
    from scheduler.web.api.feed import QUIET_SECONDS
    from scheduler.web.desk.app import desk_routes
    from scheduler.web.desk.pages import answer_stray
    from scheduler.web.signing_in import SigningIn

    leaving, signing_in = Event(), SigningIn(runtime, first)
    api = make_api(runtime, leaving, quiet_seconds=quiet_seconds or QUIET_SECONDS)
    api.state.examine = examine
    routes: list[BaseRoute] = [
        Mount(PREFIX, api, middleware=[Middleware(KnownHosts), Middleware(LimitSaid)]),
        *desk_routes(),
        DoorRoute(SIGN_IN, signing_in.page, None, any_host=False),
        DoorRoute(SIGN_IN, signing_in.sign_in, None, methods=["POST"], any_host=False),
        DoorRoute(SIGN_OUT, signing_in.sign_out, None, methods=["POST"], any_host=False),
        DoorRoute(FIRST, signing_in.come_first, None, any_host=False),
        DoorRoute(FIRST, signing_in.make_first, None, methods=["POST"], any_host=False),
        metrics_route(runtime.settings, is_local=is_local),
        health_route(runtime),
    ]
    if has_webhook:
        routes.append(webhook_route(runtime, key, body_seconds=body_seconds))
    # Unknown addresses also get a problem; one with a line break in it never reaches the API.
    handlers = {HTTPException: answer_stray}
    app = Starlette(routes=routes, middleware=[Middleware(SafeHeaders)], exception_handlers=handlers)
    app.state.runtime = runtime
    app.state.examine = examine
    app.state.leaving = leaving  # set when the door closes: answers without an end are ended then
    return app


def make_webhook_app(runtime: Runtime, key: SecretStr | None = None) -> Starlette:
    """The door for the gateway alone, which may be reached from everywhere."""
    routes = [health_route(runtime), webhook_route(runtime, key, body_seconds=BODY_SECONDS)]
    return Starlette(routes=routes, middleware=[Middleware(SafeHeaders)])


def webhook_route(runtime: Runtime, key: SecretStr | None, *, body_seconds: float) -> DoorRoute:
    """The gateway's webhook, which anybody may call: a signature says whether it is the gateway."""

    def take(messages: Sequence[Message]) -> None:
        now = runtime.clock.now()
        take_in(
            runtime.store,
            runtime.settings,
            runtime.account_id,
            messages,
            came_by="webhook",
            rehearsal=runtime.rehearsal,
            now=now,
        )

    def keys() -> list[SecretStr]:
        return [key or runtime.settings.key(), *runtime.settings.further_webhook_keys()]

    receiver = WebhookReceiver(keys, ReplyBatcher(take), runtime.clock, body_seconds)
    return DoorRoute(WEBHOOK, receiver.answer, None, methods=["POST"], any_host=True)


def health_route(runtime: Runtime) -> DoorRoute:
    """Report whether the database answers, for load balancers, which may call it by any name."""
    return DoorRoute(HEALTH, Health(runtime.store).answer, None, any_host=True)


class Health:
    """Whether the database answers, checked at most once a second however many ask."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._one = asyncio.Lock()
        self._problem = ""
        self._until = -math.inf

    async def answer(self, _request: Request) -> Response:
        """200 while the database answers, else 503."""
        async with self._one:
            if time.monotonic() >= self._until:
                self._problem = await self._look()
                self._until = time.monotonic() + HEALTH_KEPT_SECONDS
        if self._problem:
            return JSONResponse({"status": "database silent", "problem": self._problem}, 503)
        return JSONResponse({"status": "ok"})

    async def _look(self) -> str:
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                await asyncio.to_thread(_ask, self._store)
        except (TimeoutError, *STORE_FAILS) as error:
            return type(error).__name__
        return ""


def _ask(store: Store) -> None:
    with store.read() as session:
        session.connection().exec_driver_sql("SELECT 1")
