"""Inbound messages: stored, readable, and pushed with the documented signature."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.worker.sandbox.conftest import StartSandbox
from tests.worker.sandbox.php_client import PhpClient, RefusedError, http, php_form, until
from worker.sandbox.errors import SandboxError
from worker.sandbox.running.options import SandboxOptions


@dataclass
class Receiver:
    """A program that is notified of inbound messages; it answers with `statuses` in turn, then with 200."""

    statuses: list[int] = field(default_factory=list)
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode(), strict_parsing=True)
            receiver.calls.append((self.path, form["messages"][0], self.headers["X-SG-SIGNATURE"]))
            self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
            self.send_header("Location", receiver.url)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield receiver
        server.shutdown()


def stats(url: str) -> Any:
    return json.loads(http(url + "/sandbox/stats")[2])["webhook"]


def test_an_inbound_message_is_stored_and_pushed_with_its_signature(
    start_sandbox: StartSandbox, receiver: Receiver
) -> None:
    # given
    sandbox = start_sandbox(SandboxOptions(webhook=receiver.url + "/inbound?shop=1"))
    form = php_form({"number": "+447700900123", "message": "STOP – ça suffit & 1+1", "key": sandbox.key})
    # when
    reply = json.loads(http(sandbox.url + "/sandbox/inbound", form)[2])
    until(lambda: stats(sandbox.url)["pushed"])
    # then
    ((path, messages, signature),) = receiver.calls
    (pushed,) = json.loads(messages)
    expected = hmac.new(sandbox.key.encode(), messages.encode(), hashlib.sha256).digest()
    assert signature == base64.b64encode(expected).decode()
    assert path == "/inbound?shop=1"
    assert (pushed["number"], pushed["message"], pushed["status"]) == (
        "+447700900123",
        "STOP – ça suffit & 1+1",
        "Received",
    )
    assert reply["data"]["messages"] == [pushed]
    assert PhpClient(sandbox.url, sandbox.key).read(status="Received") == [pushed]


def test_a_push_is_tried_again_and_follows_no_redirect(start_sandbox: StartSandbox, receiver: Receiver) -> None:
    # given
    receiver.statuses = [500, 302]
    sandbox = start_sandbox(SandboxOptions(webhook=receiver.url + "/inbound"))
    # when
    http(sandbox.url + "/sandbox/inbound", php_form({"number": "+4477009001", "message": "Yes", "key": sandbox.key}))
    until(lambda: stats(sandbox.url)["pushed"])
    # then
    assert [path for path, _, _ in receiver.calls] == ["/inbound"] * 3
    assert len(set(receiver.calls)) == 1
    assert stats(sandbox.url) == {"pushed": 1, "given_up": 0}


@pytest.mark.parametrize(
    ("number", "message", "key", "code"),
    [("+447700900123", "Yes", "wrong", 401), ("", "Yes", None, 500), ("+447700900123", "", None, 500)],
)
def test_an_inbound_call_has_to_be_complete(
    gateway: PhpClient, number: str, message: str, key: str | None, code: int
) -> None:
    # given
    form = php_form({"number": number, "message": message, "key": key or gateway.key})
    # when
    reply = json.loads(http(gateway.url + "/sandbox/inbound", form)[2])
    # then
    assert reply["error"]["code"] == code
    with pytest.raises(RefusedError):
        PhpClient(gateway.url, "wrong").read(status="Received")


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/", "http://example.com/", "http://10.0.0.1/", "127.0.0.1", "http://[::1", "file:///x"]
)
def test_a_webhook_is_on_this_machine(url: str) -> None:
    with pytest.raises(SandboxError, match=r"must be an http:// address on 127\.0\.0\.1"):
        SandboxOptions(webhook=url)
