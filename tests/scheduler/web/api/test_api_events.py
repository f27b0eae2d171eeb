"""News as they happen: from where a listener was, each once and in order, to all who listen."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest

from campaigns.access import Scope
from tests.scheduler.web.api.api_caller import Caller, Callers
from tests.scheduler.web.caller import Door
from tests.store.store_world import NOW, World, people
from worker.runtime import Runtime
from worker.store.notifications.outbox import announce


@contextmanager
def listening(caller: Caller, path: str = "/events", **headers: str) -> Iterator[HTTPResponse]:
    """An answer that goes on."""
    parts = urlsplit(caller.url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    sent = {"Authorization": f"Bearer {caller.token}"} | {k.replace("_", "-"): v for k, v in headers.items()}
    connection.request("GET", f"/v1{path}", headers=sent)
    response = connection.getresponse()
    assert (response.status, response.getheader("Content-Type")) == (200, "text/event-stream; charset=utf-8")
    assert response.readline() == b"retry: 1000\n"
    try:
        yield response
    finally:
        connection.close()


def next_news(response: HTTPResponse) -> dict[str, Any]:
    """The next event, which must be written as the standard says."""
    fields: dict[str, str] = {}
    while line := response.readline().decode():
        name, _, value = line.rstrip("\n").partition(": ")
        if name and not line.startswith(":"):
            fields[name] = value
        elif fields:
            shown = json.loads(fields["data"])
            assert (fields["id"], fields["event"]) == (str(shown["id"]), shown["event"])
            return dict(shown)
    raise AssertionError("the answer ended")


def tell(world: World, run_id: int, *events: str) -> None:
    with world.store.write() as session:
        for event in events:
            announce(session, event, run_id=run_id, now=NOW, reason="")


@pytest.fixture(scope="module")
def run_id(world: World) -> int:
    return world.run(people(3), campaign="listened-to")


def test_a_listener_hears_what_comes_and_after_its_last_id_what_it_missed(
    world: World, run_id: int, reader: Caller
) -> None:
    with listening(reader) as first, listening(reader) as second:
        assert first.readline() == second.readline() == b"\n"
        tell(world, run_id, "run.started", "run.paused")
        heard = [[next_news(response) for _ in range(2)] for response in (first, second)]
    assert heard[0] == heard[1]
    started, paused = heard[0]
    assert (started["event"], started["campaign"], started["run"]) == ("run.started", "listened-to", run_id)
    with listening(reader, Last_Event_ID=str(started["id"])) as back:
        assert next_news(back) == paused
        tell(world, run_id, "run.completed")
        assert next_news(back)["event"] == "run.completed"


def test_a_listener_hears_of_its_campaign_only(world: World, run_id: int, reader: Caller) -> None:
    other = world.run(people(1, first=90), campaign="not-listened-to")
    with listening(reader, "/events?campaign=listened-to") as response:
        assert response.readline() == b"\n"
        tell(world, other, "run.started")
        tell(world, run_id, "run.paused")
        assert next_news(response)["campaign"] == "listened-to"


def test_an_id_beyond_the_newest_is_the_newest(world: World, run_id: int, reader: Caller) -> None:
    """Of another database, or one whose news were forgotten: it must not wait for ever."""
    with listening(reader, Last_Event_ID=str(2**62)) as response:
        assert response.readline() == b"\n"
        tell(world, run_id, "run.started")
        assert next_news(response)["event"] == "run.started"


@pytest.mark.parametrize("given", ["-1", "x", "9223372036854775808", "1e3"])
def test_a_last_id_that_is_none_is_a_problem(reader: Caller, given: str) -> None:
    reader.get("/events", Last_Event_ID=given).problem(422, "invalid")


def test_a_door_that_closes_ends_its_answers(api_runtime: Runtime) -> None:
    with ExitStack() as stack:
        door = Door(api_runtime)
        with door:
            listener = Callers(api_runtime, door.url).with_scopes(Scope.READ, Scope.PLAN)
            response = stack.enter_context(listening(listener))
            began = time.monotonic()
        assert time.monotonic() - began < 8
        assert response.read() is not None
