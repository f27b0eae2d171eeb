"""Who did what, what is wrong just now, and what others were told of: as the commands print it, and for whom it is."""

import csv
import io
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import sqlalchemy as sa

from campaigns.alerts.figures import AlertName
from scheduler.actions.reading.audit import audit_json, read_audit
from scheduler.actions.reading.calls import call_json, read_calls
from tests.scheduler.web.api.api_caller import Answer, Caller
from tests.store.store_world import NOW, World, people
from worker.runtime import Runtime
from worker.store.notifications import alerts
from worker.store.notifications.calls import record_call
from worker.store.notifications.outbox import claim, tell
from worker.store.tables import audit_entries, notices


class Listener:
    """Somebody who is told things, and how long that takes them."""

    def __init__(self) -> None:
        told: list[dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                told.append({name.lower(): value for name, value in self.headers.items()})
                time.sleep(outer.seconds)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        outer = self
        self.told, self.seconds = told, 0.0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/told"


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    made = Listener()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def audited(world: World, admin: Caller) -> list[dict[str, Any]]:
    """Five pauses and four times on again, and what the command prints of them, the newest first."""
    world.run(people(2, first=500), campaign="often-paused")
    for place in range(9):
        act = ("pause", "resume")[place % 2]
        assert admin.call("POST", f"/campaigns/often-paused/{act}").status == 200
    page = read_audit(world.store, campaign="often-paused", limit=100)
    return [dict(audit_json(entry)) for entry in page.rows]


def test_the_audit_is_what_the_command_prints_the_newest_first(audited: list[dict[str, Any]], admin: Caller) -> None:
    assert len(audited) == 9
    first = admin.get("/audit?campaign=often-paused&limit=4")
    rest = admin.get(first.headers["link"].partition(">")[0].removeprefix("</v1"))
    assert [*first.json["items"], *rest.json["items"]] == audited[:8]
    lines = admin.get("/audit?campaign=often-paused&limit=4", Accept="application/x-ndjson")
    assert [json.loads(line) for line in lines.body.decode().splitlines()] == audited
    table = admin.get("/audit?campaign=often-paused", Accept="text/csv")
    assert [row["id"] for row in csv.DictReader(io.StringIO(table.body.decode()))] == [str(e["id"]) for e in audited]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("action=pause", 5),
        ("action=resume&actor=token:admin", 4),
        ("actor=admin", 9),
        ("actor=nobody", 0),
        ("since=2020-01-01T00:00:00Z", 9),
        ("since=2999-01-01T00:00:00%2B01:00", 0),
        ("since=7d", 9),
        ("since=2020-01-01", 9),
        ("since=2999-01-01", 0),
    ],
)
def test_the_audit_is_chosen_by_filters(audited: list[dict[str, Any]], admin: Caller, query: str, count: int) -> None:
    assert len(admin.get(f"/audit?campaign=often-paused&{query}").json["items"]) == count


@pytest.mark.parametrize("query", ["since=yesterday", "since=", "actor=%00", "action=" + "a" * 41])
def test_a_filter_that_cannot_be_read_is_refused(admin: Caller, query: str) -> None:
    admin.get(f"/audit?{query}").problem(422, "invalid")


def test_alerts_are_those_that_are_raised_and_on_request_those_that_were(world: World, reader: Caller) -> None:
    with world.store.write() as session:
        raised = alerts.raise_alert(session, AlertName.ACCOUNT_PAUSED, "", {}, rehearsal=False, now=NOW)
        over = alerts.raise_alert(session, AlertName.ACCOUNT_PAUSED, "", {}, rehearsal=True, now=NOW)
        assert (raised is not None, over is not None) == (True, True)
        alerts.clear_alert(session, over or 0, now=NOW + timedelta(minutes=1))
    now, all_ = reader.get("/alerts").json["items"], reader.get("/alerts?all=true").json["items"]
    mine = [each for each in all_ if each["name"] == AlertName.ACCOUNT_PAUSED.value]
    assert [(each["rehearsal"], each["cleared_at"] is None) for each in mine] == [(False, True), (True, False)]
    assert mine[0] in now
    assert mine[1] not in now


@pytest.fixture(scope="module")
def calls(world: World, listener: Listener) -> list[dict[str, Any]]:
    """Three calls about one notice, of which the first two failed; the newest first."""
    with world.store.write() as session:
        said = {"id": "a" * 32, "reason": ""}
        target = {"channel": "webhook", "target": listener.url, "event": "run.paused", "body": said}
        tell(session, key="one", run_id=None, now=NOW, **target)  # type: ignore[arg-type]  # as `target` has them
        (id_,) = session.scalars(sa.select(notices.c.id).where(notices.c.key == "one"))
        (notice,) = claim(session, [id_], now=NOW, until=NOW + timedelta(days=300))
        for problem in ("HTTP 500", "HTTP 500", ""):
            host = {"target": "127.0.0.1", "status": 500 if problem else 204, "problem": problem}
            record_call(session, notice, at=NOW, seconds=0.25, **host)  # type: ignore[arg-type]  # as `host` has them
    return [dict(call_json(call)) for call in read_calls(world.store, only_failed=False, most=10)][::-1]


def test_calls_are_what_the_command_prints_the_newest_first(calls: list[dict[str, Any]], admin: Caller) -> None:
    first = admin.get("/calls?limit=2").json
    assert (first["items"], first["next"]) == (calls[:2], calls[1]["id"])
    assert admin.get(f"/calls?limit=2&after={first['next']}").json == {"items": calls[2:], "next": None}
    assert admin.get("/calls?failed=true").json["items"] == calls[1:]


def repeat(caller: Caller, call_id: int, **headers: str) -> Answer:
    return caller.call("POST", f"/calls/{call_id}/repeat", None, **headers)


def test_a_call_is_repeated_with_its_webhook_id_and_once_for_a_key(
    calls: list[dict[str, Any]], admin: Caller, listener: Listener, api_runtime: Runtime
) -> None:
    listener.told.clear()
    first = repeat(admin, calls[1]["id"], Idempotency_Key="again")
    second = repeat(admin, calls[1]["id"], Idempotency_Key="again")
    assert (first.status, first.json["problem"], first.json["notice"]) == (200, "", calls[1]["notice"])
    assert (second.body, second.headers["idempotency-replayed"]) == (first.body, "true")
    third = repeat(admin, calls[1]["id"])
    assert third.json["id"] > first.json["id"]
    assert len(listener.told) == 2
    assert len({each["webhook-id"] for each in listener.told}) == 1
    with api_runtime.store.read() as session:
        of_it = audit_entries.c.action == "repeat_call"
        assert session.scalar(sa.select(sa.func.count()).where(of_it)) == 2
    repeat(admin, 2**40).problem(404, "unknown_call")


def test_while_a_call_is_repeated_the_database_is_free(
    calls: list[dict[str, Any]], admin: Caller, listener: Listener, world: World
) -> None:
    """Its target may take long: nobody waits for that."""
    listener.told.clear()
    listener.seconds = 3.0
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(repeat, admin, calls[0]["id"], Idempotency_Key="slow")
        until = time.monotonic() + 60
        while not listener.told and time.monotonic() < until:
            time.sleep(0.01)
        put = admin.call("POST", "/suppressions", b'{"numbers": ["+393330000999"]}', Content_Type="application/json")
        assert (put.status, answer.done()) == (200, False)
        assert answer.result().status == 200
    listener.seconds = 0.0
