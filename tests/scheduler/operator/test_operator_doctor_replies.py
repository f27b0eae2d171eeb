"""The doctor notices whether people who answer are heard."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from campaigns.optout import Meaning
from scheduler.doctor.findings import Standing
from scheduler.doctor.replies import check_heard, check_reads
from tests.store.store_world import NOW, World, people
from tests.support.clocks import START, FakeClock
from worker.gateway import GatewayClient
from worker.store.engine import Store
from worker.store.migrate import migrate
from worker.store.people import reviews, stored_replies
from worker.store.people.stored_replies import Incoming


def gateway(status: str | None) -> GatewayClient:
    """A gateway that shows a message with this status, whatever it is asked for; None: it fails."""

    def reply(_: httpx.Request) -> httpx.Response:
        row = {"ID": 5, "number": "+393331000001", "message": "Hi", "status": status, "sentDate": START.isoformat()}
        if status is None:
            error = {"code": 500, "message": "Something went wrong"}
            return httpx.Response(200, json={"success": False, "data": None, "error": error})
        return httpx.Response(200, json={"success": True, "data": {"messages": [row]}, "error": None})

    transport = httpx.MockTransport(reply)
    return GatewayClient("https://sms.example/", SecretStr("k"), clock=FakeClock(START), transport=transport)


@pytest.mark.parametrize(
    ("status", "standing", "told"),
    [
        ("Received", Standing.OK, "replies can be read: 1 in the last 6 hours"),
        ("Sent", Standing.PROBLEM, "shows 1 messages that are not replies"),
        (None, Standing.PROBLEM, "replies cannot be read"),
    ],
)
def test_a_look_for_replies_is_tried(status: str | None, standing: Standing, told: str) -> None:
    found = check_reads(gateway(status), START)
    assert found.standing is standing
    assert told in str(found)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with closing(Store(f"sqlite:///{tmp_path / 'c.db'}")) as store:
        migrate(store)
        yield World(store)


def test_replies_that_nobody_reads_and_reviews_that_wait_are_told(world: World) -> None:
    def heard() -> list[str]:
        return [str(found) for found in check_heard(world.store, world.account_id, NOW)]

    assert heard() == []
    world.sent(world.run(people(1)))
    assert "no replies were read yet" in heard()[0]
    with world.store.write() as session:
        stored_replies.record_read(session, world.account_id, NOW - timedelta(minutes=4))
        reply = Incoming(9, "+393330000000", "pls stop texting", 1, 0, NOW, Meaning.REVIEW)
        stored_replies.store_replies(session, world.account_id, [reply], came_by="poll", now=NOW)
    (told,) = heard()
    assert "1 reply may mean stop and waits" in told
    with world.store.write() as session:
        reviews.mark_reviewed(session, [1], NOW)
    assert [str(found) for found in check_heard(world.store, world.account_id, NOW + timedelta(hours=1))] != []
