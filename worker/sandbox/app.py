"""The sandbox as an ASGI application, without a framework: a request of 100 texts costs about a millisecond."""

import hmac
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from typing import Any, Final

from campaigns.clock import Clock
from worker.sandbox import replies
from worker.sandbox.errors import ApiError
from worker.sandbox.faults import Fault, Reply, Request, RequestKind
from worker.sandbox.forms import parse_form
from worker.sandbox.ledger import to_lines
from worker.sandbox.options import Profile, SandboxOptions
from worker.sandbox.services import Services
from worker.sandbox.state import SandboxState
from worker.sandbox.webhook import WebhookPusher

Scope = dict[str, Any]
Event = dict[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

KINDS: Final = {
    "/services/send.php": RequestKind.SEND,
    "/services/read-messages.php": RequestKind.READ,
    "/services/manage-contacts.php": RequestKind.CONTACTS,
}
BODY_LIMIT_BYTES: Final = 8 * 1024 * 1024  # PHP's usual post_max_size
LEDGER_CHUNK_MESSAGES: Final = 5_000
WHAT_THIS_IS: Final = b"A sandbox SMS gateway: it answers like the real one, and sends nothing to any phone.\n"
PLAIN: Final = "text/plain; charset=utf-8"


class SandboxApp:
    """Answers requests; time comes from `clock`, misbehaviour from `fault`. `options.key` must be set."""

    def __init__(self, options: SandboxOptions, *, clock: Clock, fault: Fault) -> None:
        if options.key is None:
            raise ValueError("a sandbox application needs a key: use SandboxOptions.with_key()")
        self._key = options.key.encode()
        self._profile = options.profile
        # Live servers were seen with either type: a client has to look at the body.
        self._content_type = "text/html; charset=UTF-8" if options.profile is Profile.STRINGS else "application/json"
        self._clock = clock
        self._fault = fault
        self._state = SandboxState(options)
        self._services = Services(self._state, options.profile)
        self._actions = {
            RequestKind.SEND: self._services.send,
            RequestKind.READ: self._services.read,
            RequestKind.CONTACTS: self._services.contacts,
        }
        self._webhook = None if options.webhook is None else WebhookPusher(options.webhook, options.key)
        self._requests: Counter[str] = Counter()

    def close(self) -> None:
        """Let go of the ledger and the webhook's receiver."""
        self._state.close()
        if self._webhook is not None:
            self._webhook.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        path, method = scope["path"], scope["method"]
        if method == "GET" and path == "/sandbox/ledger":
            await self._stream_ledger(send)
            return
        await _respond(send, await self._reply(method, path, receive))

    async def _reply(self, method: str, path: str, receive: Receive) -> Reply:
        if method == "GET":
            if path == "/":
                return Reply(WHAT_THIS_IS, content_type=PLAIN)
            if path == "/sandbox/stats":
                return Reply(json.dumps(self._stats()).encode())
        kind = KINDS.get(path)
        if kind is None and path != "/sandbox/inbound":
            return Reply(b"There is nothing at this address.\n", 404, PLAIN)
        if method != "POST":
            return Reply(b"This address takes POST requests only.\n", 405, PLAIN)
        body = await _read_body(receive)
        if body is None:
            return Reply(b"The request body is larger than 8 MiB.\n", 413, PLAIN)
        fields = parse_form(body)
        if kind is None:
            return self._receive_text(fields)
        return await self._serve(Request(kind, fields))

    async def _serve(self, request: Request) -> Reply:
        reply = await self._fault.before_store(request)
        if reply is None:
            reply = await self._fault.after_store(request, self._perform(request))
        return reply

    def _perform(self, request: Request) -> Reply:
        kind: str = request.kind
        try:
            self._check_key(request.fields)
            data = self._actions[request.kind](request.fields, self._now())
            if "credits" in data:
                kind = "balance"
            body = replies.success(data)
        except ApiError as error:
            body = replies.failure(error)
        self._requests[kind] += 1
        return Reply(body, content_type=self._content_type)

    def _receive_text(self, fields: dict[str, str]) -> Reply:
        self._requests["inbound"] += 1
        try:
            self._check_key(fields)
            now = self._now()
            rows = replies.message_rows([self._services.inbound(fields, now)], self._profile, now)
        except ApiError as error:
            return Reply(replies.failure(error), content_type=self._content_type)
        if self._webhook is not None:
            self._webhook.push(json.dumps(rows))
        return Reply(replies.success({"messages": rows}), content_type=self._content_type)

    def _check_key(self, fields: dict[str, str]) -> None:
        if not hmac.compare_digest(fields.get("key", "").encode(), self._key):
            raise ApiError(401, "This API key is invalid.")

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _stats(self) -> dict[str, dict[str, int]]:
        stats = {"requests": dict(self._requests), "messages": self._state.count_by_status(self._now())}
        if self._webhook is not None:
            stats["webhook"] = self._webhook.counts()
        return stats

    async def _stream_ledger(self, send: Send) -> None:
        await send(_start(200, "application/x-ndjson", length=None))
        for lines in self._ledger_chunks():
            await send({"type": "http.response.body", "body": lines, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _ledger_chunks(self) -> Iterator[bytes]:
        # By ID and not by iterator: requests that are accepted while the reply is on its way must not disturb it.
        messages = list(self._state.messages)
        for start in range(0, len(messages), LEDGER_CHUNK_MESSAGES):
            yield to_lines(islice(messages, start, start + LEDGER_CHUNK_MESSAGES))


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body, or None when it is larger than a server would take."""
    chunks: list[bytes] = []
    size = 0
    has_more = True
    while has_more:
        event = await receive()
        chunk: bytes = event.get("body", b"")
        size += len(chunk)
        if size <= BODY_LIMIT_BYTES:
            chunks.append(chunk)
        has_more = event.get("more_body", False)
    return b"".join(chunks) if size <= BODY_LIMIT_BYTES else None


async def _respond(send: Send, reply: Reply) -> None:
    await send(_start(reply.status, reply.content_type, len(reply.body)))
    await send({"type": "http.response.body", "body": reply.body})


def _start(status: int, content_type: str, length: int | None) -> Event:
    headers = [(b"content-type", content_type.encode())]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    return {"type": "http.response.start", "status": status, "headers": headers}
