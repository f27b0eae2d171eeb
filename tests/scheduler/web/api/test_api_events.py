"""News as they happen: from where a listener was, each once and in order, to all who listen."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from campaigns.access import Scope
from scheduler.web.api.feed import LOOK_SECONDS, MOST_EACH
from scheduler.web.app import make_app
from scheduler.web.serving import FrontDoor, HeadTimeout, listen, url_of
from tests.scheduler.web.api.api_caller import Caller, Callers
from tests.scheduler.web.caller import Door
from tests.scheduler.web.conftest import runtime_of
from tests.store.store_world import NOW, World, people
from tests.support.shared_postgres import SharedPostgres
from worker.runtime import Runtime
from worker.store.notifications.outbox import announce
from worker.store.tables import notices


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


def test_one_caller_has_at_most_twenty_streams_and_others_have_theirs(
    world: World, run_id: int, reader: Caller, callers: Callers
) -> None:
    other = callers.with_scopes(Scope.READ, Scope.SUPPRESS)
    with ExitStack() as opened:
        for _ in range(MOST_EACH):
            assert opened.enter_context(listening(reader)).readline() == b"\n"
        refused = reader.get("/events")
        assert "already has 20 streams of events; end one of them" in refused.problem(429, "too_many")
        assert "retry-after" in refused.headers
        with listening(other) as response:
            assert response.readline() == b"\n"
    tell(world, run_id, "run.started")  # whoever hung up is found by the next line
    until = time.monotonic() + 30
    while (again := reader.get("/events")).status == 429:
        assert time.monotonic() < until, again.body
        time.sleep(0.2)
    assert again.status == 200


def test_events_of_a_campaign_that_nobody_knows_are_not_waited_for(run_id: int, reader: Caller) -> None:
    refused = reader.get("/events?campaign=listened-too")
    sentence = "there is no campaign listened-too; did you mean listened-to?"
    assert refused.problem(404, "unknown_campaign") == sentence


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


class Hasty(HeadTimeout):
    """Ends connections like the door's own, after 2 s instead of 130."""

    head_seconds = 1.0
    most_seconds = 1.0


def test_a_listener_who_hears_nothing_for_long_stays_and_hears_what_comes_then(
    api_runtime: Runtime, world: World, run_id: int
) -> None:
    """The door ends connections that stand still; a quiet line is none."""
    listener = listen("127.0.0.1:0")
    with FrontDoor(make_app(api_runtime, SecretStr("key"), quiet_seconds=0.3), listener, Hasty):
        caller = Callers(api_runtime, url_of(listener)).with_scopes(Scope.READ, Scope.APPROVE)
        with listening(caller) as response:
            until = time.monotonic() + 3 * (Hasty.head_seconds + Hasty.most_seconds)
            while time.monotonic() < until:
                assert response.readline() in {b"\n", b":\n"}, "it was cut"
            tell(world, run_id, "run.paused")
            assert next_news(response)["event"] == "run.paused"


@pytest.fixture
def postgres(shared_postgres: SharedPostgres) -> Iterator[Runtime]:
    name = shared_postgres.create_migrated()
    made = runtime_of(shared_postgres.url(name))
    try:
        yield made
    finally:
        made.close()
        shared_postgres.drop_database(name)


def test_nobody_misses_what_an_older_transaction_commits_late(postgres: Runtime) -> None:
    """Its news have lower ids than what others have committed meanwhile. SQLite has one writer at a time."""
    world = World(postgres.store)
    run = world.run(people(1))
    tell(world, run, "run.scheduled")
    with Door(postgres) as door, ExitStack() as stack:
        caller = Callers(postgres, door.url).with_scopes(Scope.READ)
        early = stack.enter_context(listening(caller, Last_Event_ID="0"))
        before = next_news(early)
        with postgres.store.write() as older:
            announce(older, "run.started", run_id=run, now=NOW)
            older.flush()
            tell(world, run, "run.paused")
            late = stack.enter_context(listening(caller))
            back = stack.enter_context(listening(caller, Last_Event_ID=str(before["id"])))
            assert late.readline() == back.readline() == b"\n"
            time.sleep(2.5 * LOOK_SECONDS)
        for response in (early, late, back):
            started, paused = next_news(response), next_news(response)
            assert (started["event"], paused["event"]) == ("run.started", "run.paused")
            assert before["id"] < started["id"] < paused["id"]


def test_a_listener_whose_place_was_forgotten_goes_on_and_does_not_ask_for_ever(
    world: World, run_id: int, reader: Caller
) -> None:
    """All news up to the newest were forgotten while nobody listened: it waits for the next one, as the others do."""
    with listening(reader) as first:  # from here on the process knows of no older news
        assert first.readline() == b"\n"
        tell(world, run_id, "run.started")
        newest = next_news(first)["id"]
        with world.store.write() as session:
            session.execute(sa.delete(notices).where(notices.c.id < newest))
        with listening(reader, Last_Event_ID="0") as second:
            assert second.readline() == b"\n"
            assert next_news(second)["id"] == newest
            began = time.process_time()
            time.sleep(1)
            assert time.process_time() - began < 0.8, "it asks the database again and again"


def test_a_door_that_closes_ends_its_answers(api_runtime: Runtime) -> None:
    with ExitStack() as stack:
        door = Door(api_runtime)
        with door:
            listener = Callers(api_runtime, door.url).with_scopes(Scope.READ, Scope.PLAN)
            response = stack.enter_context(listening(listener))
            began = time.monotonic()
        assert time.monotonic() - began < 8
        assert response.read() is not None
