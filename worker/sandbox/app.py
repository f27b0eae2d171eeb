"""The sandbox as an ASGI application, without a framework: a request of 100 texts costs about a millisecond."""

import asyncio
import hmac
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

from campaigns.clock import Clock
from worker.sandbox.envelope import failure, success, success_with
from worker.sandbox.errors import ApiError, SandboxError
from worker.sandbox.exchange import (
    PATHS,
    ChangeShown,
    ChangeTexts,
    Reply,
    Request,
    RequestKind,
    all_found,
    as_they_are,
    kind_of,
)
from worker.sandbox.faults.board import FaultBoard
from worker.sandbox.faults.log import FaultLog
from worker.sandbox.faults.plan import FaultPlan
from worker.sandbox.forms import parse_form
from worker.sandbox.ledger import to_lines
from worker.sandbox.phones.models import PhoneChange
from worker.sandbox.replies import message_rows
from worker.sandbox.running.options import Profile, SandboxOptions
from worker.sandbox.running.services import Services
from worker.sandbox.state import SandboxState
from worker.sandbox.webhook import WebhookPusher

Scope = dict[str, Any]
Event = dict[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

OWN_POSTS: Final = frozenset({"/sandbox/inbound", "/sandbox/faults", "/sandbox/phones"})
DROP: Final = "sandbox.drop"
"""Where the server puts, in a request's scope, the way to reset the connection."""
BODY_LIMIT_BYTES: Final = 8 * 1024 * 1024  # PHP's usual post_max_size
LEDGER_CHUNK_MESSAGES: Final = 5_000
READ_AT_ONCE: Final = 250
"""Messages to write before other requests get a turn: 3 ms."""
WHAT_THIS_IS: Final = b"A sandbox SMS gateway: it answers like the real one, and sends nothing to any phone.\n"
PLAIN: Final = "text/plain; charset=utf-8"


class SandboxApp:
    """Answers requests; time comes from `clock`, misbehaviour from `board`. `options.key` must be set.

    Raises `SandboxError` if a file of the options cannot be used.
    """

    def __init__(self, options: SandboxOptions, *, clock: Clock) -> None:
        if options.key is None:
            raise ValueError("a sandbox application needs a key: use SandboxOptions.with_key()")
        self._key = options.key.encode()
        self._profile = options.profile
        # Live servers were seen with either type: a client must look at the body.
        self._content_type = "text/html; charset=UTF-8" if options.profile is Profile.STRINGS else "application/json"
        self._clock = clock
        self._ahead_seconds = options.clock_ahead_seconds
        self._state = SandboxState(options)
        self._services = Services(self._state, options.profile, heeds_time=options.heeds_time)
        self.board = FaultBoard(
            options.faults,
            clock=clock,
            log=FaultLog(options.fault_log),
            has_proxy=options.has_proxy,
            last_number=self._state.last_request,
        )
        self._webhook = None if options.webhook is None else WebhookPusher(options.webhook, options.key)
        self._requests: Counter[str] = Counter()

    def close(self) -> None:
        """Close the ledger, the fault log and the webhook's receiver."""
        self._state.close()
        self.board.log.close()
        if self._webhook is not None:
            self._webhook.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        path, method = scope["path"], scope["method"]
        if method == "GET" and path == "/sandbox/ledger":
            await _stream(send, self._ledger_chunks())
        elif method == "GET" and path == "/sandbox/faults/log":
            await _stream(send, self.board.log.lines())
        else:
            reply = await self._reply(method, path, scope, receive)
            await (_drop(scope, receive) if reply.is_dropped else _respond(send, reply))

    async def _reply(self, method: str, path: str, scope: Scope, receive: Receive) -> Reply:
        if method == "GET":
            if path == "/":
                return Reply(WHAT_THIS_IS, content_type=PLAIN)
            if path == "/sandbox/stats":
                return Reply(json.dumps(self._stats()).encode())
            if path == "/sandbox/faults":
                return self._faults()
        if path not in PATHS and path not in OWN_POSTS:
            return Reply(b"There is nothing at this address.\n", 404, PLAIN)
        if method != "POST":
            return Reply(b"This address takes POST requests only.\n", 405, PLAIN)
        body = await _read_body(receive)
        if body is None:
            return Reply(b"The request body is larger than 8 MiB.\n", 413, PLAIN)
        if path == "/sandbox/faults":
            return self._put_in_force(body)
        fields = parse_form(body)
        if path == "/sandbox/inbound":
            return self._receive_text(fields)
        if path == "/sandbox/phones":
            return self._change_phone(fields)
        return await self._serve(path, fields, scope)

    async def _serve(self, path: str, fields: dict[str, str], scope: Scope) -> Reply:
        kind = kind_of(path, fields)
        self._requests[kind] += 1
        client = scope.get("client")
        draw = self.board.receive(kind, client[1] if client else None)
        request = Request(kind, fields, draw.number or 0)

        def perform(*, texts: ChangeTexts = as_they_are, shown: ChangeShown = all_found) -> Reply:
            last_id = self._state.messages.last_id
            try:
                self._check_key(fields)
                body = success(self._services.perform(request, self._now(), texts, shown))
            except ApiError as error:
                body = failure(error)
            stored = range(last_id + 1, self._state.messages.last_id + 1)
            return Reply(body, content_type=self._content_type, stored=stored)

        if kind is RequestKind.READ and draw.fault is None:
            return await self._read(fields)
        return await self.board.answer(request, draw, perform)

    async def _read(self, fields: dict[str, str]) -> Reply:
        """Answer a read, some messages at a time: a real server answers others too, and a read may hold thousands."""
        now = self._now()
        try:
            self._check_key(fields)
            found = self._services.found(fields, now)
        except ApiError as error:
            return Reply(failure(error), content_type=self._content_type)
        pieces = []
        parts = (found[start : start + READ_AT_ONCE] for start in range(0, len(found), READ_AT_ONCE))
        for piece in success_with("messages", (self._services.rows(part, now) for part in parts)):
            pieces.append(piece)
            await asyncio.sleep(0)
        return Reply(b"".join(pieces), content_type=self._content_type)

    def _faults(self) -> Reply:
        faults = {"plan": json.loads(self.board.plan.to_json()), "drawn": self.board.log.counts()}
        return Reply(json.dumps(faults).encode())

    def _put_in_force(self, body: bytes) -> Reply:
        """Put a fault plan in force: JSON, with the key as one more field."""
        try:
            fields = json.loads(body)
            self._check_key({"key": str(fields.pop("key", ""))})
            self.board.put_in_force(FaultPlan.from_json(json.dumps(fields)))
        except ApiError as error:
            return Reply(f"{error}\n".encode(), 401, PLAIN)
        except SandboxError as error:
            return Reply(f"{error}\n".encode(), 400, PLAIN)
        except (ValueError, RecursionError, AttributeError, TypeError):
            return Reply(
                b"This address takes a fault plan: one JSON object, with the key as its field `key`.\n", 400, PLAIN
            )
        return self._faults()

    def _receive_text(self, fields: dict[str, str]) -> Reply:
        self._requests["inbound"] += 1
        try:
            self._check_key(fields)
            now = self._now()
            rows = message_rows([self._services.inbound(fields, now)], self._profile, now)
        except ApiError as error:
            return Reply(failure(error), content_type=self._content_type)
        if self._webhook is not None:
            self._webhook.push(json.dumps(rows))
        return Reply(success({"messages": rows}), content_type=self._content_type)

    def _change_phone(self, fields: dict[str, str]) -> Reply:
        try:
            self._check_key(fields)
            self._state.change_phone(PhoneChange.from_fields(fields), now=self._now())
        except ApiError as error:
            return Reply(f"{error}\n".encode(), error.code, PLAIN)
        return Reply(json.dumps(self._stats()).encode())

    def _check_key(self, fields: dict[str, str]) -> None:
        if not hmac.compare_digest(fields.get("key", "").encode(), self._key):
            raise ApiError(401, "This API key is invalid.")

    def _now(self) -> float:
        return self._clock.now().timestamp() + self._ahead_seconds

    def _stats(self) -> dict[str, dict[str, int]]:
        stats = {"requests": dict(self._requests), "messages": self._state.count_by_status(self._now())}
        if self._webhook is not None:
            stats["webhook"] = self._webhook.counts()
        return stats

    def _ledger_chunks(self) -> Iterator[bytes]:
        # By ID, not by iterator: requests that are accepted while the reply is on its way must not disturb it.
        messages = list(self._state.messages)
        for start in range(0, len(messages), LEDGER_CHUNK_MESSAGES):
            yield to_lines(islice(messages, start, start + LEDGER_CHUNK_MESSAGES))


async def _read_body(receive: Receive) -> bytes | None:
    """Return the whole body, or None if it is larger than a server would accept.

    If the client went away, what arrived of its body counts as whole: PHP as a module of its web server does the same,
    and it is the worst case for a client.
    """
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
    headers = [("content-type", reply.content_type), ("content-length", str(len(reply.body))), *reply.headers]
    await send(_start(reply.status, headers))
    await send({"type": "http.response.body", "body": reply.body})


async def _stream(send: Send, chunks: Iterable[bytes]) -> None:
    await send(_start(200, [("content-type", "application/x-ndjson")]))
    for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _drop(scope: Scope, receive: Receive) -> None:
    scope["extensions"][DROP]["reset"]()
    while (await receive())["type"] != "http.disconnect":
        pass  # otherwise the server would believe that the reply was forgotten, and answer 500


def _start(status: int, headers: Iterable[tuple[str, str]]) -> Event:
    encoded = [(name.encode(), value.encode()) for name, value in headers]
    return {"type": "http.response.start", "status": status, "headers": encoded}
