"""Listening: uvicorn in a thread beside the clock."""

import asyncio
import logging
import math
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

import h11
import uvicorn
from anyio.to_thread import current_default_thread_limiter
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from worker.logs import get_logger
from worker.settings.settings import SettingsError

MOST_CONNECTIONS: Final = 1_000
BACKLOG: Final = 2_048
HEAD_SECONDS: Final = 10.0
"""A client that has sent no request by then is disconnected."""

MOST_SECONDS: Final = 120.0
"""How long a connection is kept for further requests."""

LINGER_SECONDS: Final = 0.5
LINGER_BYTES: Final = 4 * 1024 * 1024
"""What is read and dropped of a body that nobody needs, before the answer."""

MOVED_AT: Final = "campaigns.moved_at"
"""The key of a request's scope under which an app says when its caller last took a part of a long answer."""

QUIET_SECONDS: Final = 60.0
"""Between two log lines about the same trouble with requests."""

STOP_SECONDS: Final = 10
"""How long requests in progress may take to end."""

THREADS: Final = 16
"""Calls that use the database at once, each with a connection. Starlette would take 40, most of what PostgreSQL has."""


class HeadTimeout(H11Protocol):
    """Ends slow connections: uvicorn waits for a request head for ever. h11, unlike httptools, also bounds its length.

    Whatever a client does or leaves undone, its connection ends: after `head_seconds`, and twice as long after
    `most_seconds` at the latest, unless it reads a long answer and takes part after part. A thousand connections that
    stay would block the door.
    """

    head_seconds = HEAD_SECONDS
    most_seconds = MOST_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn's own
        super().connection_made(transport)
        self._ends_at = self.loop.time() + self.most_seconds
        self._patience = self.loop.call_later(self.head_seconds, self._look, None)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._patience.cancel()  # or it would keep finished connections in memory for as long

    def send_400_response(self, msg: str) -> None:
        """The input is not HTTP, perhaps only from the middle of a body on: then the app answers nobody any more."""
        if self.cycle is not None:
            self.cycle.disconnected = True  # its answer after this one would end in an exception
            self.cycle.message_event.set()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            super().send_400_response(msg)
        else:
            self.transport.close()

    def _look(self, cycle: object) -> None:
        is_over = self.loop.time() >= self._ends_at
        is_late = self.loop.time() >= self._ends_at + self.head_seconds and not self._is_moving()
        if self.transport.is_closing() or is_late:
            self.transport.abort()  # a client that does not read its answer would be waited for
            return
        if is_over and self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        elif is_over or (self.conn.their_state is h11.IDLE and self.cycle is cycle):
            self.transport.close()
        self._patience = self.loop.call_later(self.head_seconds, self._look, self.cycle)

    def _is_moving(self) -> bool:
        if self.cycle is None or self.cycle.response_complete:
            return False
        moved_at = self.cycle.scope.get(MOVED_AT, -math.inf)
        return isinstance(moved_at, float) and self.loop.time() - moved_at < 3 * self.head_seconds


def listen(address: str, setting: str = "CAMPAIGNS_HTTP") -> socket.socket:
    """Return a socket for the `host:port` of a setting; port 0: any free one. Raises `SettingsError`."""
    host, _, port = address.rpartition(":")
    try:
        family, *_, place = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # The protocol is named because asyncio sets TCP_NODELAY only then.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
            listener.listen(BACKLOG)  # clients that connect before uvicorn is ready wait a moment
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise SettingsError(
            f"nothing can listen at {address} ({error.strerror}); set {setting} to another host:port"
        ) from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the address at which a program on this machine reaches it."""
    host, port = listener.getsockname()[:2]
    reached = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104  compared
    return f"http://{reached}:{port}"


def closing(app: ASGIApp) -> ASGIApp:
    """Wrap the app to close the connection after an answer that came before the whole body of its request did.

    Otherwise uvicorn would read on without limit what nobody needs. What is on its way at that moment is read and
    dropped, within `LINGER_SECONDS` and `LINGER_BYTES`: a close with unread data is a reset, which can reach the client
    before the answer does (RFC 9112, section 9.6).
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        names = dict(scope["headers"])
        has_more = names.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in names
        is_asked_first = b"expect" in names  # such a client sends nothing before it is told to

        async def drop() -> None:
            dropped, patience = 0, LINGER_SECONDS / 100  # a client that is sending has sent something by now
            with suppress(TimeoutError):
                while has_more and dropped < LINGER_BYTES:
                    message = await asyncio.wait_for(received(), patience)
                    dropped, patience = dropped + len(message.get("body", b"")), LINGER_SECONDS / 2

        async def received() -> Message:
            nonlocal has_more
            message = await receive()
            has_more = bool(message.get("more_body"))
            return message

        async def sent(message: Message) -> None:
            if has_more and message["type"] == "http.response.start":
                if not is_asked_first:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(drop(), LINGER_SECONDS)
                if has_more:
                    message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        await app(scope, received, sent)

    return answer


class ServerLog(logging.Handler):
    """Writes uvicorn's messages to our own log, one line a minute: a client can cause 950 messages a second."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._calls: Counter[str] = Counter()
        self._next_line: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        problem = str(record.msg).strip()[:200]  # without its arguments, which may be a client's
        self._calls[problem] += 1
        now = time.monotonic()
        if now >= self._next_line.get(problem, -math.inf):
            calls = self._calls.pop(problem)
            get_logger().warning("front_door.trouble", problem=problem, calls=calls, exc_info=record.exc_info)
            self._next_line[problem] = now + QUIET_SECONDS


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        current_default_thread_limiter().total_tokens = THREADS
        await super().startup(sockets)


class FrontDoor:
    """Answers requests while the block runs; at its end, those in progress are answered first."""

    def __init__(self, app: ASGIApp, listener: socket.socket, protocol: type[HeadTimeout] = HeadTimeout) -> None:
        self._listener = listener
        self._leaving: threading.Event | None = getattr(getattr(app, "state", None), "leaving", None)
        config: dict[str, Any] = {
            "http": protocol,
            "ws": "none",
            "loop": "asyncio",
            "lifespan": "off",
            "log_config": None,
            "access_log": False,
            "server_header": False,
            "proxy_headers": False,
            "limit_concurrency": MOST_CONNECTIONS,
            "timeout_graceful_shutdown": STOP_SECONDS,
        }
        said = logging.getLogger("uvicorn.error")
        said.handlers, said.propagate = [ServerLog()], False
        self._server = _Server(uvicorn.Config(closing(app), **config))
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="front-door", daemon=True
        )

    def is_alive(self) -> bool:
        """Return whether requests are answered."""
        return self._thread.is_alive()

    def __enter__(self) -> Self:
        self._thread.start()
        get_logger().info("front_door.opened", at=url_of(self._listener))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.should_exit = True
        if self._leaving is not None:
            self._leaving.set()
        self._thread.join(STOP_SECONDS + 5)
        self._listener.close()
