"""Callers who do not leave: the door stays open for others, whatever they do or omit."""

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from scheduler.web.app import make_app
from scheduler.web.serving import FrontDoor, HeadTimeout, listen, url_of
from tests.scheduler.web.caller import KEY, Door, message, push
from worker.runtime import Runtime

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
UNENDED = HEALTH + b"Content-Length: 900000\r\n\r\n"
CHUNKED = HEALTH + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n"


class Hasty(HeadTimeout):
    """Like the door's own, in seconds instead of minutes."""

    head_seconds = 0.5
    most_seconds = 2.0


@pytest.fixture
def hasty(runtime: Runtime) -> Iterator[str]:
    listener = listen("127.0.0.1:0")
    with FrontDoor(make_app(runtime, SecretStr(KEY)), listener, Hasty):
        yield url_of(listener)


def call(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10)


def seconds_until_closed(connection: socket.socket, more: bytes, every: float) -> float:
    """How long the server keeps a connection on which `more` arrives again and again."""
    began = time.monotonic()
    connection.settimeout(every)
    while time.monotonic() - began < 20:
        try:
            if more:
                connection.sendall(more)
            if not connection.recv(65_536):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - began


@pytest.mark.parametrize("request_", [UNENDED, CHUNKED], ids=["length", "chunks"])
def test_m8_an_answer_before_the_end_of_the_body_is_the_last_one(hasty: str, request_: bytes) -> None:
    with closing(call(hasty)) as connection:
        connection.sendall(request_)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answer


@pytest.mark.parametrize(
    ("first", "more", "every"),
    [
        (b"", b"", 0.1),
        (b"", b"a", 0.1),
        (HEALTH, b"X", 0.1),
        (UNENDED, b"a", 0.1),
        (HEALTH + b"\r\n", HEALTH + b"\r\n", 0.3),
        (b"POST /webhook/inbound HTTP/1.1\r\nHost: a\r\nX-SG-SIGNATURE: a\r\nContent-Length: 1000\r\n\r\n", b"a", 0.1),
        (b"POST /webhook/inbound HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", b"", 0.1),
    ],
    ids=["silence", "letters", "head without end", "body without end", "calls without end", "slow body", "no body"],
)
def test_every_connection_has_an_end(hasty: str, first: bytes, more: bytes, every: float) -> None:
    with closing(call(hasty)) as connection:
        connection.sendall(first)
        assert seconds_until_closed(connection, more, every) < 5


def test_whoever_reads_no_answer_is_not_waited_for(runtime: Runtime) -> None:
    # given a caller who asks for a lot at once and reads nothing
    listener = listen("127.0.0.1:0")
    with (
        FrontDoor(make_app(runtime, SecretStr(KEY)), listener, Hasty) as door,
        closing(call(url_of(listener))) as caller,
    ):
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_024)
        caller.setblocking(False)
        served, was_served, end = door._server.server_state.connections, False, time.monotonic() + 60
        # The door is asked, not the caller: what fitted into the kernel's buffers keeps the caller's side open.
        while (served or not was_served) and time.monotonic() < end:
            was_served = was_served or bool(served)
            with suppress(BlockingIOError, ConnectionError):
                caller.send((HEALTH + b"\r\n") * 100)
            time.sleep(0.001)  # the server is a thread of this process, and must have its turns
    assert was_served
    assert not served


def test_m8_a_thousand_callers_who_stay_keep_nobody_out(door: Door) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8_192), most))
    with ExitStack() as held:
        for _ in range(999):
            connection = held.enter_context(closing(call(door.url)))
            connection.sendall(UNENDED)
            connection.recv(1)
            try:
                connection.sendall(b"a")
            except OSError:  # it has been closed
                continue
        assert push(door.url, [message(1)]) == 200
