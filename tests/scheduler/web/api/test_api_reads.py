"""What a reader is answered: the command line's objects, a page at a time or whole, and masked unless allowed."""

import csv
import io
import json
from typing import Any

import pytest

from campaigns.lifecycle import RecipientState
from campaigns.optout import Meaning
from scheduler.actions.reading.runs import read_runs
from scheduler.report.summary import progress_json
from tests.scheduler.web.api.api_caller import Caller
from tests.store.store_world import NOW, World, people
from worker.runtime import Runtime
from worker.store.people import suppressions
from worker.store.people.stored_replies import Incoming, store_replies
from worker.store.people.suppressions import Entry
from worker.store.reports.exports import COLUMNS

EVERYBODY = 25
NUMBER = "+393330000003"


@pytest.fixture(scope="module")
def run_id(world: World) -> int:
    """A campaign of 25 people, all of whom have the text; the last five had an unusable number."""
    made = world.run([*people(EVERYBODY - 5), *people(5, first=20, state=RecipientState.INVALID)], per_request=10)
    world.sent(made)
    with world.store.write() as session:
        reply = Incoming(9, NUMBER, "no more please", 1, 0, NOW, Meaning.STOP, reviewed_at=NOW)
        store_replies(session, world.account_id, [reply], came_by="poll", now=NOW)
        suppressions.suppress(session, [Entry(NUMBER, "", "no more please", "reply", NOW)], now=NOW)
    return made


def pages(caller: Caller, path: str) -> list[list[Any]]:
    """Every page of a list, by its `Link` headers."""
    found = []
    next_path: str | None = path
    while next_path:
        answer = caller.get(next_path)
        assert answer.status == 200, answer.body
        found.append(answer.json["items"])
        link = answer.headers.get("link", "")
        assert bool(link) == (answer.json["next"] is not None)
        next_path = link.partition(">")[0].removeprefix("</v1") if link else None
    return found


def test_a_campaign_is_what_the_command_line_prints(run_id: int, reader: Caller, api_runtime: Runtime) -> None:
    shown = progress_json(read_runs(api_runtime.store, "spring-sale", now=NOW)[0])
    assert reader.get("/campaigns/spring-sale").json == shown
    assert reader.get(f"/campaigns/spring-sale/runs/{run_id}").json == shown
    assert [each["campaign"] for each in reader.get("/campaigns").json["items"]] == ["spring-sale"]


def test_recipients_come_in_pages_in_the_order_of_the_audience(run_id: int, operator: Caller) -> None:
    found = pages(operator, "/campaigns/spring-sale/recipients?limit=10")
    assert [len(page) for page in found] == [10, 10, 5]
    rows = [row for page in found for row in page]
    assert [row["number"] for row in rows] == [person.number for person in people(EVERYBODY)]
    assert set(rows[0]) == {"id", "run", *COLUMNS}
    assert (rows[3]["reply"], rows[3]["opted_out_at"] is not None) == ("no more please", True)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("state=accepted", 20),
        ("state=invalid", 5),
        ("state=failed", 0),
        ("device=1", 20),
        ("state=invalid&device=1", 0),
        ("variant=a", 0),
        ("reason=no", 0),
    ],
)
def test_recipients_are_chosen_by_filters(run_id: int, reader: Caller, query: str, count: int) -> None:
    assert (
        len([row for page in pages(reader, f"/campaigns/spring-sale/recipients?{query}&limit=3") for row in page])
        == count
    )


@pytest.mark.parametrize(
    "path", ["/campaigns/spring-sale/recipients", "/suppressions", "/replies", "/people/%2B393330000003"]
)
def test_numbers_and_texts_are_in_full_for_those_who_may_see_them_only(
    run_id: int, reader: Caller, operator: Caller, path: str
) -> None:
    masked, full = reader.get(path), operator.get(path)
    for word in (NUMBER, "Hi 3", "no more please"):
        assert word.encode() not in masked.body.replace(b'"reason": "no more please"', b"").replace(
            b'"reason":"no more please"', b""
        )
    assert NUMBER.encode() in full.body
    assert b"+39\xe2\x80\xa603" in masked.body
    for accept in ("text/csv", "application/x-ndjson"):
        assert NUMBER.encode() not in reader.get(path, Accept=accept).body


def test_a_list_is_streamed_whole(run_id: int, operator: Caller) -> None:
    lines = operator.get("/campaigns/spring-sale/recipients?limit=2", Accept="application/x-ndjson")
    table = operator.get("/campaigns/spring-sale/recipients?limit=2", Accept="text/csv")
    assert (lines.media_type, table.media_type) == ("application/x-ndjson", "text/csv")
    objects = [json.loads(line) for line in lines.body.decode().splitlines()]
    rows = list(csv.DictReader(io.StringIO(table.body.decode(), newline="")))
    assert (
        [row["number"] for row in rows] == [each["number"] for each in objects] == [p.number for p in people(EVERYBODY)]
    )
    assert list(rows[0]) == ["id", "run", *COLUMNS]


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/*", "text/csv"),
        ("text/html, application/x-ndjson;q=0.5, */*;q=0.1", "application/x-ndjson"),
        ("application/json;q=0, text/csv;q=0.2", "text/csv"),
        ("application/json;q=nan, TEXT/CSV", "text/csv"),
        ("text/html", ""),
        ("," * 5_000, ""),
    ],
)
def test_a_list_is_what_its_caller_accepts(run_id: int, reader: Caller, accept: str, media_type: str) -> None:
    answer = reader.get("/suppressions", Accept=accept)
    if media_type:
        assert (answer.status, answer.media_type) == (200, media_type)
    else:
        answer.problem(406, "not_acceptable")


def test_what_is_held_is_listed_over_all_campaigns(world: World, reader: Caller) -> None:
    held = world.run(people(30, first=100, state=RecipientState.HELD), campaign="held-sale", per_request=25)
    first, second = reader.get("/held").json["items"]
    assert (first["campaign"], first["run"], first["held"], len(first["people"])) == ("held-sale", held, 25, 20)
    assert (second["held"], second["people"][0]) == (5, "+39…25")


def test_the_plan_of_a_run_says_what_waits_for_approval(run_id: int, reader: Caller) -> None:
    plan = reader.get("/campaigns/spring-sale/plan").json
    assert (plan["campaign"], plan["run"], plan["plan"], plan["approval"]) == ("spring-sale", run_id, "hash", None)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/campaigns/spring-sal", 404, "unknown_campaign"),
        ("/campaigns/spring-sale/runs/77", 404, "unknown_run"),
        ("/campaigns/spring-sale/recipients?run=77", 404, "unknown_run"),
        ("/limits?campaign=none", 404, "unknown_campaign"),
        ("/limits", 404, "unknown_account"),
        ("/campaigns/a%00b", 422, "invalid"),
        ("/campaigns/%FF%FE", 404, "unknown_campaign"),
        ("/campaigns/" + "a" * 71, 422, "invalid"),
        ("/campaigns/spring-sale/runs/0", 422, "invalid"),
        ("/campaigns/spring-sale/runs/99999999999999999999", 422, "invalid"),
        ("/campaigns/spring-sale/runs/1e3", 422, "invalid"),
        ("/campaigns/spring-sale/recipients?state=gone", 422, "invalid"),
        ("/campaigns/spring-sale/recipients?device=2147483648", 422, "invalid"),
        ("/campaigns/spring-sale/recipients?reason=%00", 422, "invalid"),
        ("/suppressions?limit=1001", 422, "invalid"),
        ("/suppressions?limit=-1", 422, "invalid"),
        ("/suppressions?after=9223372036854775808", 422, "invalid"),
        ("/suppressions?after=abc", 422, "invalid"),
        ("/suppressions?kind=spam", 422, "invalid"),
        ("/people/%00", 422, "invalid"),
        ("/people/" + "9" * 33, 422, "invalid"),
        ("/nothing", 404, "not_found"),
        ("/campaigns/", 404, "not_found"),
        ("/campaigns/../../healthz", 404, "not_found"),
        ("//devices", 404, "not_found"),
        ("/campaigns/a%0Ab", 404, "not_found"),
    ],
)
def test_what_cannot_be_answered_is_a_problem(run_id: int, reader: Caller, path: str, status: int, code: str) -> None:
    reader.get(path).problem(status, code)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "NONSENSE"])
def test_a_method_that_is_not_there_is_a_problem(reader: Caller, method: str) -> None:
    answer = reader.call(method, "/devices")
    answer.problem(405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"


def test_a_mistake_is_told_with_its_place_and_without_its_value(reader: Caller) -> None:
    answer = reader.get("/people/+3933312345671234567890123456789012345")
    assert answer.json["errors"] == [{"pointer": "path/number", "detail": "must have at most 32 characters"}]
    assert b"333123" not in answer.body


def test_who_cannot_be_a_number_is_a_mistake_and_not_somebody_unknown(reader: Caller) -> None:
    answer = reader.get("/people/abc")
    assert "nobody is known by this number: it cannot be read as a number" in answer.problem(422, "invalid")
    assert answer.json["errors"][0]["pointer"] == "path/number"


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/suppressions?limit=x", "query/limit must be a whole number"),
        ("/suppressions?limit=0", "query/limit must be at least 1"),
        ("/suppressions?limit=5000", "query/limit must be at most 1000"),
        ("/alerts?all=x", "query/all must be true or false"),
        ("/campaigns/%07", "path/name must have no control characters, and not be empty"),
        ("/replies?meaning=x", "query/meaning must be "),
    ],
)
def test_the_sentences_of_mistakes_are_ours(reader: Caller, path: str, detail: str) -> None:
    assert reader.get(path).problem(422, "invalid").startswith(detail)


def test_answers_are_kept_by_nobody(reader: Caller) -> None:
    for path in ("/devices", "/nothing"):
        headers = reader.get(path).headers
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
