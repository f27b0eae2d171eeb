"""Single texts, asked for over HTTP of the real service beside a real sandbox, and killed on the way."""

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from campaigns.access import Scope
from tests.prove.world.evidence import read_ledger
from tests.prove.world.product import Product
from tests.support import nursery
from tests.support.nursery import Sandbox
from worker.sandbox.running.options import SandboxOptions
from worker.store.access import tokens
from worker.store.engine import Store
from worker.store.migrate import migrate

KEY: Final = "key-of-the-test-4711"
ANNA: Final = "+393330000001"
TEXT: Final = "Your code is 4711."
MORNING: Final = "Good morning"
PATIENCE_SECONDS: Final = 40.0
SHORTEST: Final = 0.05


class Shop:
    """A service with a front door, and a program with a token."""

    def __init__(self, folder: Path, sandbox: Sandbox, ledger: Path) -> None:
        (folder / "inbox").mkdir()
        self.ledger = ledger
        url = f"sqlite:///{folder / 'campaigns.db'}"
        self.product = Product(folder, gateway_url=sandbox.url, key=KEY, database_url=url,
                               inbox=str(folder / "inbox"), http="127.0.0.1:0")  # fmt: skip
        store = Store(url)
        migrate(store)
        with store.write() as session:
            scopes = [Scope.SUBMIT, Scope.READ]
            self.token = tokens.create(session, "ci", scopes, by="tests", now=datetime.now(UTC))
        store.close()

    @contextmanager
    def up(self, crash: str = "") -> Iterator[ForkServerProcess]:
        service = self.product.fork("up", victim=["--crash", crash] if crash else [])
        try:
            self.url = until(lambda: opened_at(self.product.outputs[-1]))
            yield service
        finally:
            service.kill()
            nursery.exit_code(service, PATIENCE_SECONDS)

    def call(self, method: str, path: str, body: object = None, key: str = "") -> tuple[int, Any]:
        parts = urlsplit(self.url)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        headers |= {"Idempotency-Key": key} if key else {}
        try:
            connection.request(method, f"/v1{path}", json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def send(self, key: str = "1", text: str = TEXT) -> tuple[int, Any]:
        return self.call("POST", "/messages", {"to": ANNA, "text": text, "valid_for": "10m"}, key)

    def texts(self) -> list[str]:
        return [message.text for message in read_ledger(self.ledger) if message.number == ANNA]


def until(found: Any) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (value := found()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(SHORTEST)
    return value


def opened_at(log: Path) -> str:
    lines = log.read_text().split("\n")[:-1] if log.exists() else []
    opened = [json.loads(line) for line in lines if "front_door.opened" in line]
    return str(opened[0]["at"]) if opened else ""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    ledger = tmp_path / "ledger.jsonl"
    options = SandboxOptions(key=KEY, ledger=ledger, delivery_min_seconds=0.1, delivery_max_seconds=0.2)
    with Sandbox.start(options) as sandbox:
        yield Shop(tmp_path, sandbox, ledger)


def test_a_text_is_asked_for_by_many_at_once_and_goes_once(shop: Shop) -> None:
    with shop.up():
        # when twenty ask with one key at once, and somebody with another text
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: shop.send(), range(20)))
        other = shop.send(text="Your code is 4712.")
        # then there is one message, which becomes delivered
        (message_id,) = {body["id"] for _, body in answers}
        assert {status for status, _ in answers} == {202}
        assert (other[0], other[1]["code"]) == (422, "key_reused")
        until(lambda: shop.call("GET", f"/messages/{message_id}")[1]["state"] == "delivered")
        status, seen = shop.call("GET", f"/messages/{message_id}")
    assert (status, seen["number"], seen["text"], seen["campaign"]) == (200, "+39…01", None, "messages")
    assert shop.texts() == [TEXT]


@pytest.mark.parametrize(
    "crash", ["message:before_commit:1", "message:committed:1", "intent:committed:1", "post:replied:1"]
)
def test_a_text_goes_once_though_the_service_is_killed_in_between(shop: Shop, crash: str) -> None:
    # given a gateway with a text, by which absence is proven
    with shop.up():
        _, morning = shop.send("0", MORNING)
        until(lambda: shop.call("GET", f"/messages/{morning['id']}")[1]["state"] == "delivered")
    # when the service is killed, and another one is asked again
    with shop.up(crash) as service:
        with suppress(OSError, HTTPException):  # killed before it answered
            shop.send()
        assert nursery.exit_code(service, PATIENCE_SECONDS) == -signal.SIGKILL
    with shop.up():
        first, again = shop.send(), shop.send()
        # then
        assert (first[0], first[1]["id"]) == (202, again[1]["id"])
        until(lambda: shop.call("GET", f"/messages/{first[1]['id']}")[1]["state"] == "delivered")
    assert shop.texts() == [MORNING, TEXT]
