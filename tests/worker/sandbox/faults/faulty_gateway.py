"""A sandbox process whose faults a test switches, and the result of a request: on the wire, in ledger and fault log."""

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from worker.sandbox.running.options import SandboxOptions
from worker.sandbox.running.process import PrivateSandbox

Row = dict[str, Any]

NUMBERS = tuple(f"+4477009001{n:02d}" for n in range(6))
TIMEOUT_SECONDS = 10.0
KEY = "sandbox-key"
LOST = (httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError)
"""What httpx raises when a connection ends before its reply."""


@dataclass(frozen=True, slots=True)
class FaultyGateway:
    """Its calls go over fresh connections, as the product's sends do."""

    sandbox: PrivateSandbox
    client: httpx.Client

    @classmethod
    @contextmanager
    def start(cls, options: SandboxOptions) -> "Iterator[FaultyGateway]":
        no_reuse = httpx.Limits(max_keepalive_connections=0)
        with (
            PrivateSandbox.start(options) as sandbox,
            httpx.Client(base_url=sandbox.url, limits=no_reuse, timeout=TIMEOUT_SECONDS) as client,
        ):
            yield cls(sandbox, client)

    def switch(self, *faults: str, requests: Sequence[str] = ("send",), rate: float = 1.0, **plan: Any) -> None:
        """From now on, these kinds of requests meet these faults; no faults: all is well."""
        weights = dict.fromkeys(faults, 1.0)
        rules = [{"requests": list(requests), "rate": rate, "faults": weights}] if faults else []
        self.put({"rules": rules, **plan}).raise_for_status()

    def put(self, plan: Mapping[str, object]) -> httpx.Response:
        return self.client.post("/sandbox/faults", json={"key": self.sandbox.key, **plan})

    def send(self, numbers: Sequence[str] = NUMBERS, timeout: float = TIMEOUT_SECONDS) -> httpx.Response:
        texts = [{"number": number, "message": f"Hi {index}"} for index, number in enumerate(numbers)]
        return self.post("send", timeout, messages=json.dumps(texts))

    def post(self, script: str, timeout: float = TIMEOUT_SECONDS, **fields: object) -> httpx.Response:
        """The key comes last, as the product sends it."""
        data = {name: str(value) for name, value in fields.items()} | {"key": self.sandbox.key}
        return self.client.post(f"/services/{script}.php", data=data, timeout=timeout)

    def ledger(self) -> list[Row]:
        return self._lines("/sandbox/ledger")

    def log(self) -> list[Row]:
        return self._lines("/sandbox/faults/log")

    def _lines(self, path: str) -> list[Row]:
        return [json.loads(line) for line in self.client.get(path).text.splitlines()]


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What ledger and fault log have gained since `mark` was taken."""

    gateway: FaultyGateway
    ledger_length: int
    log_length: int

    @classmethod
    def mark(cls, gateway: FaultyGateway) -> "Aftermath":
        return cls(gateway, len(gateway.ledger()), len(gateway.log()))

    def stored(self) -> list[Row]:
        return self.gateway.ledger()[self.ledger_length :]

    def drawn(self) -> list[Row]:
        return self.gateway.log()[self.log_length :]

    def assert_on_record(self, fault: str, count: int) -> None:
        """The ledger has `count` messages, under the number of the request that the fault log names with their IDs."""
        stored, (drawn,) = self.stored(), self.drawn()
        assert len(stored) == count
        assert (drawn["fault"], drawn["kind"], drawn["nth"]) == (fault, "send", 1)
        assert drawn["stored"] == [message["ID"] for message in stored]
        assert {message["request"] for message in stored} <= {drawn["request"]}


def rows(response: httpx.Response) -> list[Row]:
    messages: list[Row] = response.json()["data"]["messages"]
    return messages


def is_json(response: httpx.Response) -> bool:
    try:
        response.json()
    except ValueError:
        return False
    return True


def request_bytes(number: str = NUMBERS[0], key: str = KEY) -> bytes:
    body = f"number=%2B{number[1:]}&message=Hi&key={key}".encode()
    return b"POST /services/send.php HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def connect(gateway: FaultyGateway) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(gateway.sandbox.url.rpartition(":")[2])), timeout=10.0)
