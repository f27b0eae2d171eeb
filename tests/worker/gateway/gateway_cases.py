"""How the gateway's tests talk to the client: replies in sequence, with two checks that every case gets for free."""

import json
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import parse_qsl

import httpx
import pytest
from pydantic import SecretStr

from tests.support.clocks import FakeClock
from worker.gateway import GatewayClient, GatewayError, OutgoingMessage, SendOutcome

KEY = "s3cr3t+key&with=signs"
ANNA = OutgoingMessage("+393331234567", "Hi Anna, privately")
BOB = OutgoingMessage("+393337654321", "Hi Bob, privately")

Answer = httpx.Response | Exception


def row(id: object = "7", number: object = ANNA.number, **more: object) -> dict[str, object]:
    """A message object as the documentation shows it."""
    return {
        "ID": id,
        "number": number,
        "message": "Hi",
        "deviceID": "1",
        "simSlot": "0",
        "userID": "1",
        "status": "Pending",
        "sentDate": "2018-10-20T00:00:00+02:00",
        "deliveredDate": None,
        "groupID": ")V5LxqyBMEbQrl9*J$5bb4c03e8a07b7.62193871",
        **more,
    }


def success(**data: object) -> httpx.Response:
    return httpx.Response(200, json={"success": True, "data": data, "error": None})


def failure(code: object, text: object) -> httpx.Response:
    return httpx.Response(200, json={"success": False, "data": None, "error": {"code": code, "message": text}})


class Wire:
    """A client that gets a sequence of answers. `requests` are the decoded forms that it posted."""

    def __init__(self, answers: Sequence[Answer], learned: Mapping[str, SendOutcome] | None = None) -> None:
        self.clock = FakeClock()
        self.requests: list[dict[str, str]] = []
        self.paths: list[str] = []
        self._answers = list(answers)
        self.client = GatewayClient(
            "https://sms.example.com/gate/",
            SecretStr(KEY),
            clock=self.clock,
            learned=learned or {},
            transport=httpx.MockTransport(self._answer),
        )

    @property
    def unused(self) -> int:
        return len(self._answers)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        body = request.content.decode("ascii")
        assert body.rpartition("&")[2].startswith("key="), "the key is the last field"
        assert KEY not in str(request.url)
        self.requests.append(dict(parse_qsl(body, keep_blank_values=True, strict_parsing=True, errors="strict")))
        self.paths.append(request.url.path)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@contextmanager
def wired(
    *answers: Answer, learned: Mapping[str, SendOutcome] | None = None, secrets: Sequence[str] = (KEY,)
) -> Iterator[Wire]:
    """A client for these answers. Fails if an answer was not asked for, or a secret shows up in any log record."""
    records: list[str] = []
    handler = logging.Handler(logging.NOTSET)
    handler.emit = lambda record: records.append(f"{record.getMessage()} {record.__dict__}")  # type: ignore[method-assign]  # the shortest handler there is
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        wire = Wire(answers, learned)
        with wire.client as client:
            yield wire
            assert_no_secret(repr(client), secrets)
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
    assert not wire.unused, f"{wire.unused} answers were not asked for"
    assert_no_secret("\n".join(records), secrets)


def caught(call: Callable[[], object], secrets: Sequence[str] = (KEY, ANNA.number, ANNA.text)) -> GatewayError:
    """The error that a call raises, after a search for secrets in its text, its evidence and its frames' variables."""
    with pytest.raises(GatewayError) as raised:
        call()
    error = raised.value
    assert_no_secret("\n".join([str(error), repr(error), json.dumps(dict(error.evidence))]), secrets)
    assert error.__context__ is None, "the frames of the HTTP libraries hold the request"
    frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack
    ours = [frame for frame in frames if "/tests/" not in frame.filename]  # tests have the key as data of their own
    assert_no_secret(repr([frame.locals for frame in ours]), secrets[:1])
    return error


def assert_no_secret(shown: str, secrets: Sequence[str]) -> None:
    for secret in secrets:
        assert secret not in shown
