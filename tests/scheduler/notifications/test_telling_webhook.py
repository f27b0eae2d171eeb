"""Calling webhooks: real servers that accept, refuse, hang, drip, redirect; addresses that must not be called."""

import base64
import hashlib
import hmac
import re
import threading
import time
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from pydantic import SecretStr
from pydantic_core import PydanticCustomError

from campaigns.clock import SystemClock
from campaigns.values.addresses import PRIVATE, address_problem, is_public, parse_address
from scheduler.doctor.findings import Standing
from scheduler.doctor.notices import check_targets
from scheduler.notifications.delivery import send
from scheduler.notifications.outcome import TAKEN, DeliveryResult
from scheduler.notifications.targets import Channel
from scheduler.notifications.webhook import Webhooks, place
from tests.support.receiver import Call, Receiver
from tests.support.tcp_server import unused_port
from tests.support.tls import Authority, TlsFront
from worker.gateway.connection import DirectTransport, Exchange, Timeouts
from worker.settings.settings import Settings

SECRET = SecretStr("s3cret")
SETTINGS_DOCUMENT = (Path(__file__).parents[3] / "deploy/SETTINGS.md").read_text(encoding="utf-8")
SHORT = timedelta(seconds=0.3)


def call(url: str, *, secret: SecretStr = SECRET, timeout: timedelta = SHORT, private: bool = True) -> DeliveryResult:
    webhooks = Webhooks(secret, allow_private=private, timeout=timeout)
    return webhooks.call(url, "run.started", {"id": "1", "über": "ж"}, timestamp=1_700_000_000)


def test_a_call_is_json_and_signed() -> None:
    with Receiver() as receiver:
        assert call(receiver.url + "?token=a%20b") == TAKEN
    [told] = receiver.calls
    assert (told.path, told.json) == ("/hook?token=a%20b", {"id": "1", "über": "ж"})
    assert told.headers["Content-Type"] == "application/json"
    assert told.headers["X-Campaigns-Event"] == "run.started"
    # The same in another way: hmac's old interface, over the contents of the request.
    signed = told.headers["X-Campaigns-Timestamp"].encode() + b"." + told.body
    assert told.headers["X-Campaigns-Signature"] == "sha256=" + hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()


KEY: Final = bytes(range(32))
OLD_KEY: Final = b"another key of some length"


def whsec(key: bytes) -> str:
    """A secret as the specification has it."""
    return "whsec_" + base64.b64encode(key).decode()


def verifies(told: Call, key: bytes) -> bool:
    """What the specification tells a receiver to do, written from its text."""
    headers = {name.lower(): value for name, value in told.headers.items()}
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), told.body])
    expected = hmac.new(key, signed, hashlib.sha256).digest()
    versions = [each.split(",", 1) for each in headers["webhook-signature"].split(" ")]
    return any(version == "v1" and base64.b64decode(value) == expected for version, value in versions)


@pytest.mark.parametrize(
    ("secret", "keys", "own"),
    [
        ("s3cret", [b"s3cret"], "s3cret"),
        (whsec(KEY), [KEY], whsec(KEY)),
        (whsec(KEY).rstrip("="), [KEY], whsec(KEY).rstrip("=")),  # some tools leave the padding out
        (f"{whsec(KEY)},{whsec(OLD_KEY)}", [KEY, OLD_KEY], whsec(KEY)),  # while one replaces the other
        (f"{whsec(KEY)}\n{whsec(OLD_KEY)}", [KEY, OLD_KEY], whsec(KEY)),  # in a file
    ],
)
def test_a_call_verifies_as_the_standard_has_it(secret: str, keys: list[bytes], own: str) -> None:
    with Receiver() as receiver:
        assert call(receiver.url, secret=SecretStr(secret)) == TAKEN
    [told] = receiver.calls
    assert (told.headers["webhook-id"], told.headers["webhook-timestamp"]) == ("1", "1700000000")
    assert [verifies(told, key) for key in (*keys, b"none of them")] == [True] * len(keys) + [False]
    signed = b"1700000000." + told.body
    assert told.headers["X-Campaigns-Signature"] == "sha256=" + hmac.new(own.encode(), signed, "sha256").hexdigest()


@pytest.mark.parametrize("secret", ["whsec_", "whsec_not base64", "whsec_\u00e9\u00e9", f"{whsec(KEY)},s3cret"])
def test_a_secret_that_is_no_base64_is_told_and_calls_nobody(secret: str) -> None:
    settings = Settings(webhook_secret=SecretStr(secret), allow_private_webhooks=True, _env_file=None)
    with Receiver() as receiver:
        outcome = send(settings, (Channel.WEBHOOK, receiver.url), "e", {"id": "1"}, SystemClock().now())
    assert (outcome.is_away, receiver.calls) == (True, [])
    assert outcome.problem.startswith("CAMPAIGNS_WEBHOOK_SECRET must be base64 after whsec_; make one with: ")
    assert [each.says for each in check_targets(settings) if each.standing is Standing.PROBLEM] == [outcome.problem]


@pytest.mark.parametrize("secret", ["s3cret", whsec(KEY)])
def test_the_code_in_the_documents_accepts_a_genuine_call_and_no_other(secret: str) -> None:
    [code] = re.findall(r"^```python\n(.*?)^```$", SETTINGS_DOCUMENT, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - our own document
    is_genuine = names["is_genuine"]
    with Receiver() as receiver:
        now = int(time.time())
        for at in (now, now - 600):
            webhooks = Webhooks(SecretStr(secret), allow_private=True)
            webhooks.call(receiver.url, "e", {"id": "1"}, timestamp=at)
    fresh, old = receiver.calls
    assert is_genuine(fresh.headers, fresh.body, secret)
    assert not is_genuine(fresh.headers, fresh.body + b" ", secret)
    assert not is_genuine(fresh.headers, fresh.body, "other")
    assert not is_genuine(old.headers, old.body, secret)
    assert not is_genuine({**fresh.headers, "webhook-timestamp": str(now - 1)}, fresh.body, secret)
    assert not is_genuine({**fresh.headers, "webhook-id": "2"}, fresh.body, secret)


def test_without_a_secret_nothing_is_signed() -> None:
    with Receiver() as receiver:
        assert call(receiver.url, secret=SecretStr("")) == TAKEN
    [told] = receiver.calls
    assert told.headers.keys().isdisjoint({"X-Campaigns-Signature", "webhook-signature"})
    assert told.headers["webhook-id"] == "1"


def test_a_login_in_the_address_is_sent_as_a_header_and_not_in_the_path() -> None:
    with Receiver() as receiver:
        assert call(receiver.url.replace("//", "//anna:p%40ss@")) == TAKEN
    [told] = receiver.calls
    assert told.headers["Authorization"] == "Basic " + base64.b64encode(b"anna:p@ss").decode()
    assert (told.path, "anna" in told.headers["Host"]) == ("/hook", False)


@pytest.mark.parametrize(
    ("status", "is_away"), [(400, False), (422, False), (404, True), (401, True), (429, True), (500, True), (503, True)]
)
def test_another_answer_than_2xx_is_none(status: int, is_away: bool) -> None:
    with Receiver(status) as receiver:
        assert call(receiver.url) == DeliveryResult(f"HTTP {status}", is_away=is_away)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with Receiver(status) as receiver:
        assert call(receiver.url).problem == f"HTTP {status}"
    assert [told.path for told in receiver.calls] == ["/hook"]


STEP_SECONDS: Final = 0.05
STEPS: Final = 600
"""The longest that a slow answer goes on: 30 s."""


class Slow:
    """An answer that never comes, in steps of `STEP_SECONDS` until it is no longer waited for."""

    def __init__(self, head: bytes, step: bytes) -> None:
        self._head, self._step = head, step
        self.steps = 0
        self.is_over = threading.Event()

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        with suppress(OSError):  # whoever waited has gone
            handler.wfile.write(self._head)
            while not self.is_over.wait(STEP_SECONDS) and self.steps < STEPS:
                self.steps += 1
                handler.wfile.write(self._step)


def flood(handler: BaseHTTPRequestHandler) -> None:
    """A body without an end, which nobody reads."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(10_000):
        handler.wfile.write(b"a" * 65_536)


@pytest.mark.parametrize(("head", "step"), [(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a"), (b"", b"")], ids=["drips", "hangs"])
def test_a_slow_answer_is_waited_for_as_long_as_agreed(head: bytes, step: bytes) -> None:
    answer = Slow(head, step)
    with Receiver(answer) as receiver:
        assert call(receiver.url) == DeliveryResult("no answer within 0.3 s", is_away=True)
        answer.is_over.set()
    assert answer.steps < 20  # six in 0.3 s: counted in steps, because seconds say little on a busy machine


def test_the_body_of_an_answer_is_not_read() -> None:
    with Receiver(flood) as receiver:
        assert call(receiver.url, timeout=timedelta(seconds=5)) == TAKEN


def test_nobody_listens() -> None:
    assert call(f"http://127.0.0.1:{unused_port()}/") == DeliveryResult("ConnectError", is_away=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
def test_a_private_address_is_not_called_however_it_is_written(host: str) -> None:
    with Receiver() as receiver:
        port = receiver.url.rpartition(":")[2]
        outcome = call(f"https://{host}:{port}", private=False)
    assert outcome == DeliveryResult(
        "its address is private, and CAMPAIGNS_ALLOW_PRIVATE_WEBHOOKS is not set", is_away=True
    )
    assert receiver.calls == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1"])
def test_an_address_in_an_unusual_spelling_is_not_called_at_all(host: str) -> None:
    with Receiver() as receiver:
        port = receiver.url.rpartition(":")[2]
        outcome = call(f"https://{host}:{port}", private=True)
    assert outcome == DeliveryResult("it is not an address", is_away=True)
    assert receiver.calls == []


def test_https_is_never_plain() -> None:
    with Receiver() as receiver:
        outcome = call(receiver.url.replace("http:", "https:"))
    assert outcome.is_away
    assert receiver.calls == []


def test_a_certificate_that_is_not_trusted_ends_it_before_anything_is_told(tmp_path: Path) -> None:
    with Receiver() as receiver, TlsFront(receiver.url, Authority(tmp_path).server()) as front:
        outcome = call(front.url, timeout=timedelta(seconds=5))
    assert outcome == DeliveryResult(
        "its certificate is not trusted (unable to get local issuer certificate)", is_away=True
    )
    assert receiver.calls == []


def test_a_name_is_looked_up_once_and_connected_to_as_it_was_judged() -> None:
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]  # elsewhere a moment later

    with Receiver() as receiver:
        clock = SystemClock()
        request = httpx.Request("POST", receiver.url.replace("127.0.0.1", "hook.invalid"), content=b"{}")
        request.extensions["exchange"] = Exchange(clock, Timeouts(), clock.elapsed_seconds() + 5)
        reply = DirectTransport(None, resolve=resolve).handle_request(request)
    assert (reply.status_code, asked) == (204, ["hook.invalid"])
    assert receiver.calls[0].headers["Host"].startswith("hook.invalid")


@pytest.mark.parametrize(
    ("address", "is_open"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - an address that is judged
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::5db8:d70e", True),
        ("2002:a00:1::", False),
    ],
)
def test_addresses_of_the_open_internet(address: str, is_open: bool) -> None:
    assert is_public(address) is is_open


UNUSUAL = (
    "https://0177.0.0.1/", "https://127.1/", "https://0x7f.1/", "https://999.1.1.1/", "https://[v1.127.0.0.1]/",
    "https://[::1%25eth0]/", "https://xn--a/", "https://\u2460\u2461\u2466.0.0.1/", "https://ex%41mple.com/",
    "https://127\u30020\uff0e0\uff611/", "https://127\u30020\u30021/", "https://a..b/",
    "https://-a.com/", f"https://{'a' * 64}.com/", f"https://a.com/{'a' * 2048}",
)  # fmt: skip
"""Spellings that a resolver or library may resolve: none of them is called, and no file may name one."""


@pytest.mark.parametrize("address", UNUSUAL)
def test_a_file_cannot_name_an_unusual_address(address: str) -> None:
    with pytest.raises(PydanticCustomError, match="is not an address that can be called") as told:
        parse_address(address)

    assert address not in str(told.value)


@pytest.mark.parametrize(
    ("address", "private", "problem"),
    [
        ("https://example.com/hook?a=b", False, ""),
        ("HTTPS://example.com", False, ""),
        ("http://example.com/hook", False, "it must begin with https://"),
        ("http://example.com/hook", True, ""),
        ("ftp://example.com", True, "it must begin with https://"),
        ("example.com/hook", True, "it is not an address"),
        ("https://", True, "it is not an address"),
        ("https://a b/", True, "it is not an address"),
        ("https://[::1", True, "it is not an address"),
        ("https://a:99999/", True, "it is not an address"),
        ("https://a/\r\nX: y", True, "it is not an address"),
        ("https://b\u00fccher.example/", False, ""),
        ("https://[::1]:8080/a", True, ""),
        ("https://[::1]:8080/a", False, PRIVATE),
        ("https://localhost./a", False, PRIVATE),
        *((address, True, "it is not an address") for address in UNUSUAL),
    ],
)
def test_the_form_of_an_address(address: str, private: bool, problem: str) -> None:
    assert address_problem(address, allow_private=private) == problem


def test_a_log_shows_neither_login_nor_path_nor_query() -> None:
    assert place("https://anna:secret@example.com:8443/hook/token?key=secret") == "example.com:8443"
    assert place("https://[::1") == "?"
