"""The gateway's webhook: replies, signed with the API key."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import SecretStr
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from campaigns.clock import Clock
from scheduler.web.forms import read_field
from scheduler.web.taking import ReplyBatcher
from worker.gateway import Message, MessageStatus
from worker.gateway.webhook import received_messages, verify
from worker.logs import get_logger
from worker.settings.settings import SettingsError
from worker.store.errors import STORE_FAILS

MOST_BYTES: Final = 1024 * 1024
"""The largest request that is read."""

MOST_HELD_BYTES: Final = 64 * MOST_BYTES
"""The most bytes that all requests in progress may hold together."""

BODY_SECONDS: Final = 10.0
STORE_SECONDS: Final = 5.0
"""How long a caller waits for the database; a reply that takes longer is stored all the same."""

QUIET_SECONDS: Final = 60.0
"""Between two log lines about refused requests."""


class _Refusal(Exception):
    def __init__(self, status: int, why: str) -> None:
        self.status = status
        self.why = why


@dataclass
class WebhookReceiver:
    """Receives calls of the webhook. `keys` are read at each call: a key file may be replaced meanwhile."""

    keys: Callable[[], Sequence[SecretStr]]
    taker: ReplyBatcher
    clock: Clock
    body_seconds: float = BODY_SECONDS
    held_bytes: int = 0
    _refused: int = field(default=0, init=False)
    _next_line: float = field(default=float("-inf"), init=False)

    async def answer(self, request: Request) -> Response:
        """200 once everything is stored; 400, 401, 408, 413 for a bad request; 503 if it could not be stored."""
        try:
            await self._take(request)
        except _Refusal as refusal:
            self._note(refusal)
            # The rest of the body is not worth reading.
            return PlainTextResponse(f"{refusal.why}\n", refusal.status, headers={"Connection": "close"})
        except ClientDisconnect:
            return Response(status_code=400)
        return PlainTextResponse("taken\n")

    async def _take(self, request: Request) -> None:
        header = request.headers.get("X-SG-SIGNATURE", "")
        if not header:
            raise _Refusal(400, "the header X-SG-SIGNATURE is missing")
        body = bytearray()
        try:
            async with asyncio.timeout(self.body_seconds):
                await self._read(request, body)
            field_value = read_field(bytes(body), request.headers.get("Content-Type", ""), "messages")
        except TimeoutError:
            raise _Refusal(408, "the call took too long") from None
        finally:
            self.held_bytes -= len(body)
        if field_value is None:
            raise _Refusal(400, "a form with exactly one field `messages` is expected")
        try:
            keys = self.keys()
        except SettingsError as error:  # a key file that is just being rewritten
            raise _Refusal(503, "the key cannot be read; call again") from error
        if not verify(field_value, header, keys):
            raise _Refusal(401, "the signature does not match")
        messages = received_messages(field_value)
        if messages is None:
            raise _Refusal(400, "the field `messages` is not a list of messages")
        received = [message for message in messages if message.status is MessageStatus.RECEIVED]
        if received:
            await self._store(received)

    async def _read(self, request: Request, body: bytearray) -> None:
        length = request.headers.get("Content-Length", "0")
        if not length.isdecimal() or len(length) > 9 or int(length) > MOST_BYTES:
            raise _Refusal(413, f"at most {MOST_BYTES} bytes are read")
        async for part in request.stream():
            self.held_bytes += len(part)
            body += part
            if len(body) > MOST_BYTES:
                raise _Refusal(413, f"at most {MOST_BYTES} bytes are read")
            if self.held_bytes > MOST_HELD_BYTES:
                raise _Refusal(503, "too many calls at once; call again")

    async def _store(self, received: Sequence[Message]) -> None:
        try:
            async with asyncio.timeout(STORE_SECONDS):
                await self.taker.take(received)
        except (TimeoutError, *STORE_FAILS) as error:
            raise _Refusal(503, "it could not be stored; call again") from error
        except Exception as error:
            get_logger().exception("webhook.failed")
            raise _Refusal(500, "it could not be stored") from error

    def _note(self, refusal: _Refusal) -> None:
        """Log a line a minute: callers without the key must not fill the disk."""
        self._refused += 1
        now = self.clock.elapsed_seconds()
        if now >= self._next_line:
            get_logger().warning("webhook.refused", status=refusal.status, problem=refusal.why, calls=self._refused)
            self._refused, self._next_line = 0, now + QUIET_SECONDS
