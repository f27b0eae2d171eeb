"""The gateway's webhook: genuine calls are stored once, everything else is refused, and nothing is lost meanwhile."""

import json
import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus, urlencode, urlsplit
from urllib.request import Request, urlopen

import pytest
from pydantic import SecretStr

from scheduler.web.app import WEBHOOK
from tests.scheduler.web.caller import FORM, KEY, Door, message, post, push, signed, stored
from tests.scheduler.web.conftest import runtime_of
from tests.support.nursery import Sandbox
from tests.support.servers import PostgresServer
from tests.support.tls import Authority, TlsFront
from worker.gateway.webhook import signature, verify
from worker.runtime import Runtime
from worker.sandbox.running.options import SandboxOptions

FIELD = (
    '[{"ID":"7001","number":"+393331234567","message":"STOP – ça suffit & 1+1=2 100% \\"ok\\" ж\\\\u00e9",'
    '"deviceID":"1","simSlot":"0","userID":"1","status":"Received","sentDate":"2026-11-22T10:00:00+01:00","deliveredDate":null,'
    '"groupID":null}]'
)
SIGNATURE = "fmmZcI6uZy7m4LUQauAoQ3E4N9/jPrhY4a2/afgaQA4="
"""printf %s "$FIELD" | openssl dgst -sha256 -hmac 'f3a9-Kéy' -binary | base64"""

MULTIPART = (
    b'--xYz\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n'
    b'--xYz\r\nContent-Disposition: form-data; name="messages"\r\nContent-Type: text/plain\r\n\r\n'
    + FIELD.encode()
    + b"\r\n--xYz--\r\n"
)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (FORM, ("messages=" + quote_plus(FIELD)).encode()),
        (f"{FORM}; charset=UTF-8", ("messages=" + quote(FIELD, safe="")).encode()),
        (FORM, ("a=1&messages=" + quote_plus(FIELD) + "&b=2").encode()),
        ("multipart/form-data; boundary=xYz", MULTIPART),
        ('multipart/form-data; boundary="xYz"', MULTIPART),
    ],
    ids=["plus", "percent", "other fields", "multipart", "quoted boundary"],
)
def test_what_another_implementation_signed_is_taken(
    door: Door, runtime: Runtime, content_type: str, body: bytes
) -> None:
    assert post(door.url, body, {"Content-Type": content_type, "X-SG-SIGNATURE": SIGNATURE}) == 200
    assert stored(runtime.store) == [(7001, 'STOP – ça suffit & 1+1=2 100% "ok" ж\\u00e9')]


def test_it_is_the_same_behind_a_server_that_speaks_tls(door: Door, runtime: Runtime, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    headers = {"Content-Type": FORM, "X-SG-SIGNATURE": SIGNATURE, "Connection": "close"}
    with TlsFront(door.url, authority.server()) as front:
        request = Request(front.url + WEBHOOK, ("messages=" + quote_plus(FIELD)).encode(), headers)
        with urlopen(request, context=ssl.create_default_context(cafile=authority.ca_file), timeout=10) as reply:
            assert reply.status == 200
    assert [id_ for id_, _ in stored(runtime.store)] == [7001]


@pytest.mark.parametrize(("key", "status"), [(KEY, 200), ("older", 200), ("oldest", 200), ("other", 401), ("", 401)])
def test_any_key_in_force_will_do_while_one_is_replaced(door: Door, key: str, status: int) -> None:
    assert push(door.url, [message(1)], key=key) == status


@pytest.mark.parametrize(
    ("content", "forged_with", "status"),
    [
        (b"", "", 503),
        (b" \n", "", 503),
        (b" \n", " \n", 503),
        (b"\xff", "", 503),
        (b"k" * 70_000, "k", 503),
        (b"\0\0\0\0", "\0\0\0\0", 503),  # after a power cut
        ("\u200b".encode(), "\u200b", 503),
        (b"\xef\xbb\xbf", "\ufeff", 503),
        (b"new\n", "", 401),
    ],
)
def test_h1_nobody_signs_with_a_key_file_that_is_empty(
    tmp_path: Path, migrated: Callable[[Path], None], content: bytes, forged_with: str, status: int
) -> None:
    # given a key in a file that is written anew: empty at first, and permanently if the disk is full
    migrated(tmp_path)
    key = tmp_path / "key"
    key.write_text(KEY, encoding="utf-8")
    database = f"sqlite:///{tmp_path / 'campaigns.db'}"
    with closing(runtime_of(database, api_key_file=key)) as runtime, Door(runtime, key=None) as door:
        assert push(door.url, [message(1)]) == 200
        key.write_bytes(content)
        # then a call that anybody could have signed is not accepted
        assert push(door.url, [message(2, "START")], key=forged_with) == status
        key.write_text(KEY, encoding="utf-8")
        assert push(door.url, [message(3)]) == 200
        assert stored(runtime.store) == [(1, "STOP"), (3, "STOP")]


def test_h1_a_blank_key_signs_nothing() -> None:
    for key in ("", " ", "\n"):
        assert not verify(b"x", signature(b"x", SecretStr(key)), [SecretStr(key)])
        assert verify(b"x", signature(b"x", SecretStr("k")), [SecretStr(key), SecretStr("k")])


def form(*fields: tuple[str, str]) -> bytes:
    return urlencode(fields).encode()


GOOD = json.dumps([message(1)])
BROKEN = ["", "{}", "[1]", "[", "null", "\x00", '{"messages": []}', "[" * 5000]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": FORM}, form(("messages", GOOD)), 400),
        ({"Content-Type": FORM, "X-SG-SIGNATURE": ""}, form(("messages", GOOD)), 400),
        ({"Content-Type": FORM, "X-SG-SIGNATURE": "wrong"}, form(("messages", GOOD)), 401),
        ({"Content-Type": FORM, "X-SG-SIGNATURE": signed(GOOD, "wrong")}, form(("messages", GOOD)), 401),
        ({"Content-Type": FORM, "X-SG-SIGNATURE": signed(GOOD)}, form(("messages", GOOD + " ")), 401),
        ({"Content-Type": FORM, "X-SG-SIGNATURE": "\xff\xfe"}, form(("messages", GOOD)), 401),
        ({"Content-Type": FORM, "X-SG-SIGNATURE": signed(GOOD)}, form(("message", GOOD)), 400),
        ({"Content-Type": FORM, "X-SG-SIGNATURE": signed(GOOD)}, form(("messages", GOOD), ("messages", GOOD)), 400),
        ({"Content-Type": FORM, "X-SG-SIGNATURE": signed(GOOD)}, b"", 400),
        ({"Content-Type": FORM, "X-SG-SIGNATURE": signed(GOOD)}, form(("messages", GOOD)) + b"&a=" * 200, 400),
        ({"Content-Type": "application/json", "X-SG-SIGNATURE": signed(GOOD)}, GOOD.encode(), 400),
        ({"Content-Type": "multipart/form-data", "X-SG-SIGNATURE": signed(GOOD)}, form(("messages", GOOD)), 400),
        ({"X-SG-SIGNATURE": signed(GOOD)}, form(("messages", GOOD)), 400),
        ({"Content-Type": FORM, "X-SG-SIGNATURE": signed(GOOD)}, b"messages=" + b"a" * 1_048_576, 413),
        *(
            ({"Content-Type": FORM, "X-SG-SIGNATURE": signed(field)}, form(("messages", field)), 400)
            for field in BROKEN
        ),
    ],
)
def test_a_call_that_is_not_genuine_is_refused_and_nothing_of_it_is_stored(
    door: Door, runtime: Runtime, headers: dict[str, str], body: bytes, status: int
) -> None:
    assert post(door.url, body, headers) == status
    assert stored(runtime.store) == []
    assert push(door.url, [message(2)]) == 200


def test_what_comes_twice_or_is_replayed_is_stored_once(door: Door, runtime: Runtime) -> None:
    for _ in range(3):
        assert push(door.url, [message(1), message(1), message(2, "ciao")]) == 200
    assert stored(runtime.store) == [(1, "STOP"), (2, "ciao")]


@pytest.mark.parametrize("status", ["Pending", "Sent", "Delivered", "Failed", "Unheard of"])
def test_only_what_was_received_is_believed(door: Door, runtime: Runtime, status: str) -> None:
    assert push(door.url, [message(1, status=status), message(2)]) == 200
    assert stored(runtime.store) == [(2, "STOP")]


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD"])
def test_only_a_post_is_a_call(door: Door, method: str) -> None:
    assert raw(door.url, f"{method} /webhook/inbound HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") == 405


def raw(url: str, text: str, *, drip: str = "", seconds: float = 20) -> int:
    """The status after sending `text` as it is; 0: the connection closed without one. `drip` follows byte by byte."""
    parts = urlsplit(url)
    with closing(socket.create_connection((parts.hostname or "", parts.port or 0), timeout=seconds)) as connection:
        connection.sendall(text.encode())
        connection.settimeout(0.05 if drip else seconds)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                head = connection.recv(4096)
                return int(head.split()[1]) if head else 0
            except TimeoutError:
                connection.sendall(drip.encode())
    raise AssertionError("no answer")


HEAD = f"POST /webhook/inbound HTTP/1.1\r\nHost: a\r\nX-SG-SIGNATURE: a\r\nContent-Type: {FORM}\r\n"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (HEAD + "Content-Length: 99999999999999999999\r\n\r\n", 413),
        (HEAD + "Content-Length: 2000000\r\n\r\nmessages=", 413),
        (HEAD + "Content-Length: -5\r\n\r\n", 400),
        (HEAD + "Content-Length: 5\r\nContent-Length: 50\r\n\r\nabcde", 400),
        (HEAD + "Transfer-Encoding: chunked\r\n\r\n" + f"90000\r\n{'a' * 589_824}\r\n" * 2, 413),
        (HEAD + "X: " + "a" * 100_000 + "\r\n\r\n", 400),
        ("nonsense\r\n\r\n", 400),
    ],
    ids=["huge", "too long", "negative", "two lengths", "chunks without end", "long head", "nonsense"],
)  # fmt: skip
def test_a_lying_length_costs_nothing(door: Door, text: str, status: int) -> None:
    assert raw(door.url, text) == status


@pytest.mark.parametrize(
    "head", [HEAD, HEAD.replace("X-SG-SIGNATURE: a\r\n", ""), "GET /healthz HTTP/1.1\r\nHost: a\r\n"]
)
@pytest.mark.parametrize("first", ["", "1\r\na\r\n"])
def test_s6_chunks_that_are_none_end_in_a_line_and_no_traceback(
    door: Door, capsys: pytest.CaptureFixture[str], head: str, first: str
) -> None:
    for _ in range(3):
        assert raw(door.url, f"{head}Transfer-Encoding: chunked\r\n\r\n{first}zz\r\n") == 400
    assert push(door.url, [message(1)]) == 200
    logged = capsys.readouterr()
    assert (logged.out + logged.err).count("front_door.trouble") == 1
    assert not any(word in logged.out + logged.err for word in ("Traceback", "Exception", "\ufffd", "error"))


def test_a_body_that_comes_slowly_is_not_waited_for(runtime: Runtime) -> None:
    with Door(runtime, body_seconds=0.3) as door:
        began = time.monotonic()
        assert raw(door.url, HEAD + "Content-Length: 1000\r\n\r\n", drip="a") == 408
    assert time.monotonic() - began < 3


def test_five_hundred_calls_at_once_lose_nothing(door: Door, runtime: Runtime) -> None:
    # given every second call made by somebody who does not have the key, and every reply called in twice
    def call(number: int) -> tuple[int, float]:
        began = time.monotonic()
        key = KEY if number % 2 else "wrong"
        return push(door.url, [message(number // 4 + 1)], key=key), time.monotonic() - began

    # when
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(call, range(500)))
    # then
    assert [status for status, _ in answers] == [401, 200] * 250
    assert stored(runtime.store) == [(number, "STOP") for number in range(1, 126)]


def test_where_the_database_is_away_nobody_believes_that_it_was_taken(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    runtime = runtime_of(postgres_url)
    with closing(runtime), Door(runtime) as door:
        assert push(door.url, [message(1)]) == 200
        postgres_server.stop()
        assert push(door.url, [message(2)]) == 503
        postgres_server.start()
        assert push(door.url, [message(2)]) == 200
        assert stored(runtime.store) == [(1, "STOP"), (2, "STOP")]


def test_a_reply_to_the_sandbox_comes_in_by_its_webhook(door: Door, runtime: Runtime) -> None:
    options = SandboxOptions(key=KEY, webhook=f"{door.url}/webhook/inbound")
    with Sandbox.start(options) as sandbox:
        body = urlencode({"number": "+393331234567", "message": "Stop – grazie & ciao", "key": KEY})
        with urlopen(f"{sandbox.url}/sandbox/inbound", body.encode()) as reply:
            [sent] = json.load(reply)["data"]["messages"]
        end = time.monotonic() + 10
        while not stored(runtime.store) and time.monotonic() < end:
            time.sleep(0.02)
    assert stored(runtime.store) == [(int(sent["ID"]), "Stop – grazie & ciao")]


def test_health_is_that_of_the_database(postgres_server: PostgresServer, postgres_url: str) -> None:
    runtime = runtime_of(postgres_url)
    request = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with closing(runtime), Door(runtime) as door:
        assert raw(door.url, request) == 200
        postgres_server.stop()
        time.sleep(1.1)  # an answer is kept for a second
        assert raw(door.url, request) == 503
