"""Which address is answered by what."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import sqlalchemy as sa
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from scheduler.inbound import take_in
from scheduler.web.inbound import BODY_SECONDS, Inbound
from scheduler.web.taking import Taker
from worker.gateway import Message
from worker.runtime import Runtime
from worker.store.engine import Store

WEBHOOK: Final = "/webhook/inbound"
HEALTH_SECONDS: Final = 5.0


def make_app(runtime: Runtime, key: SecretStr | None = None, *, body_seconds: float = BODY_SECONDS) -> Starlette:
    """The front door of one account. `key`: that of a private sandbox in the gateway's place.

    `body_seconds`: how long the body of a call may take to arrive.
    """

    def take(messages: Sequence[Message]) -> None:
        now = runtime.clock.now()
        take_in(runtime.store, runtime.settings, runtime.account_id, messages, came_by="webhook", now=now)

    def keys() -> list[SecretStr]:
        return [key or runtime.settings.key(), *runtime.settings.further_webhook_keys()]

    return Starlette(
        routes=[
            Route("/healthz", _health(runtime.store)),
            Route(WEBHOOK, Inbound(keys, Taker(take), runtime.clock, body_seconds).answer, methods=["POST"]),
        ]
    )


def _health(store: Store) -> Callable[[Request], Awaitable[Response]]:
    async def healthz(_request: Request) -> Response:
        """200 while the database answers, else 503."""
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                await asyncio.to_thread(_ask, store)
        except (TimeoutError, sa.exc.SQLAlchemyError) as error:
            return JSONResponse({"status": "database silent", "problem": type(error).__name__}, 503)
        return JSONResponse({"status": "ok"})

    return healthz


def _ask(store: Store) -> None:
    with store.read() as session:
        session.connection().exec_driver_sql("SELECT 1")
