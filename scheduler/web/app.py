"""The routes."""

import asyncio
import math
import time
from collections.abc import Sequence
from threading import Event
from typing import Final

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from scheduler.replies.inbound import take_in
from scheduler.web.inbound import BODY_SECONDS, WebhookReceiver
from scheduler.web.metrics import metrics_route
from scheduler.web.taking import ReplyBatcher
from worker.gateway import Message
from worker.runtime import Runtime
from worker.store.engine import Store
from worker.store.errors import STORE_FAILS

WEBHOOK: Final = "/webhook/inbound"
HEALTH_SECONDS: Final = 5.0
HEALTH_KEPT_SECONDS: Final = 1.0


def make_app(runtime: Runtime, key: SecretStr | None = None, *, body_seconds: float = BODY_SECONDS) -> Starlette:
    """The front door of one account. `key`: that of a private sandbox used as the gateway.

    `body_seconds`: how long the body of a request may take to arrive.
    """

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

    # Here, because only a process that listens needs it: FastAPI takes a quarter of a second.
    from scheduler.web.api.app import PREFIX, make_api

    leaving = Event()
    app = Starlette(
        routes=[
            Mount(PREFIX, make_api(runtime, leaving)),
            Route("/healthz", Health(runtime.store).answer),
            metrics_route(),  # who may read it where the address is not loopback: the scope `read`
            Route(
                WEBHOOK, WebhookReceiver(keys, ReplyBatcher(take), runtime.clock, body_seconds).answer, methods=["POST"]
            ),
        ]
    )
    app.state.runtime = runtime
    app.state.leaving = leaving  # set when the door closes: answers without an end are ended then
    return app


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
