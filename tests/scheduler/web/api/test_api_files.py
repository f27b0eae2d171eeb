"""Campaign files and tables over HTTP: the same again changes nothing, and a mistake is told with its place."""

import base64
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from campaigns.access import Scope
from scheduler.cli.app import app
from scheduler.inbox.uploads import uploads_in
from tests.scheduler.web.api.api_caller import Answer, Caller, Callers
from worker.runtime import Runtime
from worker.store.access import tokens
from worker.store.tables import audit_entries, recipients, runs

YAML = "application/yaml"
TABLE = b"phone,name\n+39 333 111 0001,Anna\n+39 333 111 0002,Luca\n12,Nobody\n"
FILE = """\
campaign: {name}
message: Hi {{{{ name }}}}, our sale begins.
approval: true
audience:
  - file: customers.csv
    number: phone
"""


def file_of(name: str, **changes: str) -> bytes:
    text = FILE.format(name=name)
    for old, new in changes.items():
        text = text.replace(old, new)
    return text.encode()


def put(caller: Caller, name: str, content: bytes, *, kind: str = YAML, query: str = "") -> Answer:
    return caller.call("PUT", f"/campaigns/{name}{query}", content, Content_Type=kind)


def digest_of(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def put_table(caller: Caller, name: str, content: bytes, *, digest: str = "", number: str = "phone") -> Answer:
    headers = {"Content_Digest": digest or digest_of(content), "Content_Type": "text/csv"}
    return caller.call("PUT", f"/tables/{name}?number={number}", content, **headers)


def rows_of(runtime: Runtime, table: sa.Table) -> int:
    with runtime.store.read() as session:
        return session.scalars(sa.select(sa.func.count()).select_from(table)).one()


@pytest.fixture(scope="module")
def author(callers: Callers) -> Caller:
    """Somebody who may plan, submit and read."""
    return callers.with_scopes(Scope.READ, Scope.PLAN, Scope.SUBMIT)


@pytest.fixture(scope="module")
def table(author: Caller) -> str:
    kept = put_table(author, "customers.csv", TABLE)
    assert kept.json == {
        "table": "customers.csv",
        "digest": digest_of(TABLE),
        "bytes": len(TABLE),
        "changed": True,
        "rows": 3,
        "bad_rows": 1,
        "problems": kept.json["problems"],
    }
    assert kept.json["problems"][0]["row"] == 4
    return "customers.csv"


def test_what_a_campaign_takes_and_what_would_make_it_end_in_time(table: str, author: Caller) -> None:
    slow = file_of("slow") + b"throughput: {rate: 1/hour}\nschedule: {start: 2099-12-01 10:00, timezone: UTC}\n"

    def study(query: str = "", content: bytes = slow) -> Answer:
        return author.call("POST", f"/campaigns/slow/capacity{query}", content, Content_Type=YAML)

    assert study().json["in_time"] is True
    found = study("?by=2099-12-01%2010:30").json
    assert (found["texts"], found["seconds"], found["in_time"]) == (2, 3600, False)
    start, rate = found["changes"]
    assert (start["key"], start["needed"]) == ("schedule.start", "2099-12-01 09:30")
    assert (rate["key"], rate["needed"], rate["last_send_at"]) == ("throughput.rate", "2/hour", "2099-12-01T10:30:00Z")
    assert study("?by=soon").status == 422
    mistaken = study(content=slow.replace(b"message", b"massage"))
    assert (mistaken.status, mistaken.json["errors"][0]["line"]) == (422, 2)


def test_a_table_that_is_there_is_not_written_again(table: str, author: Caller, api_runtime: Runtime) -> None:
    place = uploads_in(api_runtime.settings.inbox) / table
    before = place.stat()
    entries = rows_of(api_runtime, audit_entries)
    assert put_table(author, table, TABLE).json["changed"] is False
    assert (place.stat().st_ino, place.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert rows_of(api_runtime, audit_entries) == entries
    assert not [each for each in place.parent.iterdir() if each.name.startswith(".upload-")]


@pytest.mark.parametrize(
    ("name", "content", "digest", "status"),
    [
        ("customers.csv", TABLE, digest_of(b"other"), 422),
        ("customers.csv", TABLE, "sha-256=:abc:", 422),
        ("customers.csv", TABLE, "md5=:abc:", 422),
        ("customers.csv", b"name\nAnna\n", "", 422),
        ("customers.xlsx", TABLE, "", 422),
        ("customers.exe", TABLE, "", 422),
        ("..%2Fcustomers.csv", TABLE, "", 404),
        (".customers.csv", TABLE, "", 422),
        ("customers%00.csv", TABLE, "", 422),
        ("a" * 97 + ".csv", TABLE, "", 422),
    ],
)
def test_a_table_that_cannot_be_used_is_not_kept(
    table: str, author: Caller, api_runtime: Runtime, name: str, content: bytes, digest: str, status: int
) -> None:
    folder = uploads_in(api_runtime.settings.inbox)
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    answer = put_table(author, name, content, digest=digest)
    assert answer.status == status, answer.body
    assert str(folder).encode() not in answer.body
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before


def test_a_link_is_replaced_and_never_followed(author: Caller, api_runtime: Runtime, tmp_path: Path) -> None:
    target = tmp_path / "secret.csv"
    target.write_bytes(b"phone\n")
    link = uploads_in(api_runtime.settings.inbox) / "linked.csv"
    link.symlink_to(target)
    assert put_table(author, "linked.csv", TABLE).json["changed"] is True
    assert (link.is_symlink(), link.read_bytes(), target.read_bytes()) == (False, TABLE, b"phone\n")


def test_a_table_may_be_larger_than_any_other_body(author: Caller) -> None:
    large = b"phone,name\n" + b"".join(b"+39333%07d,%s\n" % (place, b"x" * 60) for place in range(30_000))
    kept = put_table(author, "large.csv", large)
    assert (kept.json["rows"], kept.json["bad_rows"]) == (30_000, 0)


def test_numbers_without_a_country_are_read_in_the_one_that_the_caller_names(author: Caller) -> None:
    national = b"phone\n202-555-0101\n"
    kept = [put_table(author, "national.csv", national, number=f"phone{more}").json for more in ("", "&region=us")]
    assert [each["bad_rows"] for each in kept] == [1, 0]
    refused = put_table(author, "national.csv", national, number="phone&region=XX").problem(422, "invalid")
    assert refused == "XX is not a country code of ISO 3166; write two letters, such as IT for Italy"


def test_a_campaign_is_planned_submitted_and_approved_by_its_hash(
    table: str, author: Caller, callers: Callers, api_runtime: Runtime
) -> None:
    approver = callers.with_scopes(Scope.APPROVE, Scope.READ)
    content = file_of("approved")
    plan = put(author, "approved", content, query="?dry_run=true").json
    assert rows_of(api_runtime, runs) == 0 or author.get("/campaigns/approved").status == 404
    assert (plan["campaign"], plan["recipients"]["audience"], plan["samples"]) == ("approved", 3, [])
    done = put(author, "approved", content).json
    assert (done["taken"], done["approval"]["plan"]) == ("planned", plan["approval"]["plan"])
    hash_ = plan["approval"]["plan"]
    path = "/campaigns/approved/approve"
    approver.call("POST", path, None).problem(428, "no_condition")
    for unlike in ("*", f'"{hash_[:8]}"', f'"{hash_[:63]}"'):
        assert "the whole hash" in approver.call("POST", path, None, If_Match=unlike).problem(422, "invalid")
    approver.call("POST", path, None, If_Match='"' + "0" * 64 + '"').problem(412, "other_plan")
    approved = approver.call("POST", path, None, If_Match=f'"{hash_}"').json
    assert approved == {"campaign": "approved", "run": done["run"], "plan": hash_, "was_approved": False}
    assert approver.call("POST", path, None, If_Match=f'"{hash_}"').json["was_approved"] is True
    again = put(author, "approved", content).json
    assert (again["taken"], again["run"], again["approved"], again["approval"]) == (
        "continued",
        done["run"],
        hash_,
        None,
    )


@pytest.mark.parametrize("more", ["", "schedule: {repeat: {cron: '@daily'}}\n"], ids=["once", "repeats"])
def test_a_campaign_that_is_over_is_called_over_whatever_is_sent_and_however_often(
    table: str, author: Caller, admin: Caller, more: str, request: pytest.FixtureRequest
) -> None:
    name = f"over-{request.node.callspec.id.split('-')[-1]}"
    content = file_of(name) + more.encode()
    assert [put(author, name, content).json["taken"] for _ in range(2)] == ["planned", "continued"]
    admin.call("POST", f"/campaigns/{name}/cancel", None)
    other = content.replace(b"Hi ", b"Hello ")
    assert other != content
    told = [put(author, name, each).json for each in (content, content, other, other, content)]
    assert [(each["taken"], each["run"]) for each in told] == [("over", told[0]["run"])] * 5


def test_the_same_file_fifty_times_at_once_is_one_run(table: str, author: Caller, api_runtime: Runtime) -> None:
    before = rows_of(api_runtime, runs), rows_of(api_runtime, audit_entries), rows_of(api_runtime, recipients)
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: put(author, "crowded", file_of("crowded")), range(50)))
    assert {each.status for each in answers} <= {200, 409}
    assert len({each.json["run"] for each in answers if each.status == 200}) == 1
    assert [each.json["taken"] for each in answers if each.status == 200].count("planned") == 1
    assert {each.headers["retry-after"] for each in answers if each.status == 409} <= {"5"}
    after = rows_of(api_runtime, runs), rows_of(api_runtime, audit_entries), rows_of(api_runtime, recipients)
    assert after == (before[0] + 1, before[1] + 1, before[2] + 3)


def test_a_table_that_has_changed_is_planned_anew(author: Caller) -> None:
    put_table(author, "again.csv", TABLE)
    content = file_of("again", **{"customers.csv": "again.csv"})
    first = put(author, "again", content).json
    put_table(author, "again.csv", TABLE + b"+39 333 111 0003,Zoe\n")
    second = put(author, "again", content).json
    assert (first["taken"], second["taken"], second["run"]) == ("planned", "planned", first["run"])
    assert second["recipients"]["audience"] == first["recipients"]["audience"] + 1
    assert second["plan"] != first["plan"]


def test_the_plan_of_a_table_that_has_changed_since_cannot_be_approved(
    author: Caller, callers: Callers, api_runtime: Runtime
) -> None:
    """Neither by a call nor by the command, which says the same."""
    approver = callers.with_scopes(Scope.APPROVE, Scope.READ)
    put_table(author, "five.csv", TABLE)
    content = file_of("five", **{"customers.csv": "five.csv"})
    old = put(author, "five", content).json["approval"]["plan"]
    put_table(author, "five.csv", TABLE)
    put_table(author, "five.csv", TABLE + b"+39 333 111 0003,Zoe\n")
    told = approver.call("POST", "/campaigns/five/approve", None, If_Match=f'"{old}"').problem(412, "other_plan")
    assert told.startswith("a table of five has changed since it was planned")
    there = api_runtime.settings
    env = {"CAMPAIGNS_DATABASE_URL": str(there.database_url), "CAMPAIGNS_INBOX": str(there.inbox)}
    by_hand = CliRunner().invoke(app, ["approve", "five", "--plan", old], env=env)
    assert (by_hand.exit_code, by_hand.stderr.strip()) == (2, told)
    new = put(author, "five", content).json["approval"]["plan"]
    approver.call("POST", "/campaigns/five/approve", None, If_Match=f'"{old}"').problem(412, "other_plan")
    approved = approver.call("POST", "/campaigns/five/approve", None, If_Match=f'"{new}"').json
    assert approved["was_approved"] is False


def test_a_campaign_may_be_json(table: str, author: Caller) -> None:
    same = {
        "campaign": "as-json",
        "message": "Hi {{ name }} \U0001f600",
        "approval": True,
        "audience": [{"file": table, "number": "phone"}],
    }
    assert put(author, "as-json", json.dumps(same).encode(), kind="application/json").json["taken"] == "planned"


@pytest.mark.parametrize(
    ("name", "content", "kind", "status", "place"),
    [
        ("other", file_of("wrong"), YAML, 422, {"file": "other.yaml", "line": 1, "column": 1, "pointer": "campaign"}),
        (
            "wrong",
            file_of("wrong", approval="aproval"),
            YAML,
            422,
            {"file": "wrong.yaml", "line": 3, "column": 1, "pointer": "aproval"},
        ),
        (
            "wrong",
            file_of("wrong", **{"customers.csv": "nowhere.csv"}),
            YAML,
            422,
            {"file": "wrong.yaml", "line": 5, "pointer": "audience[0].file"},
        ),
        ("wrong", file_of("wrong", **{"customers.csv": "../../x.csv"}), YAML, 422, {"file": "wrong.yaml", "line": 5}),
        ("wrong", b"", YAML, 422, {"file": "wrong.yaml"}),
        ("wrong", b"{", "application/json", 422, {"pointer": "body", "line": 1, "column": 2}),
        (
            "wrong",
            b'{"campaign": "wrong", "message": "Hi", "audience": [{"file": "nowhere.csv"}]}',
            "application/json",
            422,
            {"pointer": "body/audience/0/file", "file": None, "line": None},
        ),
        ("wrong", b'{"campaign": "other"}', "application/json", 422, {"pointer": "body/audience", "file": None}),
        ("wrong", b"[" * 100_000, "application/json", 422, {"pointer": "body"}),
        ("wrong", b"\xff\xfe\x00", YAML, 422, {"file": "wrong.yaml"}),
        ("wrong", file_of("wrong"), "text/csv", 415, None),
        ("wrong", b"#" * 300_000, YAML, 413, None),
        ("Wrong", file_of("wrong"), YAML, 422, {"pointer": "path/name"}),
        ("..%2f", file_of("wrong"), YAML, 404, None),
    ],
)
def test_a_mistake_is_told_with_its_place(
    table: str,
    author: Caller,
    api_runtime: Runtime,
    name: str,
    content: bytes,
    kind: str,
    status: int,
    place: dict[str, object] | None,
) -> None:
    before = rows_of(api_runtime, runs)
    for query in ("", "?dry_run=true"):
        answer = put(author, name, content, kind=kind, query=query)
        assert answer.status == status, answer.body
        assert str(api_runtime.settings.inbox).encode() not in answer.body
        if place is not None:
            first = answer.json["errors"][0]
            assert {key: first.get(key) for key in place} == place
    assert rows_of(api_runtime, runs) == before


def test_a_token_sends_to_as_many_people_a_day_as_it_may(
    table: str, author: Caller, callers: Callers, api_runtime: Runtime
) -> None:
    with api_runtime.store.write() as session:
        scopes = [Scope.SUBMIT, Scope.READ]
        made = tokens.create(session, "small", scopes, recipients_daily=3, by="tests", now=api_runtime.clock.now())
    small = Caller(callers.url, made)
    assert put(small, "first", file_of("first")).json["taken"] == "planned"  # two people
    before = rows_of(api_runtime, runs), rows_of(api_runtime, recipients), rows_of(api_runtime, audit_entries)
    for _ in range(2):
        refused = put(small, "second", file_of("second")).problem(429, "quota_spent")
        assert refused == "the token small may not send to 2 more people today; its quota starts again at 00:00 UTC"
    assert author.get("/campaigns/second").status == 404
    after = rows_of(api_runtime, runs), rows_of(api_runtime, recipients), rows_of(api_runtime, audit_entries)
    assert after == before
    assert put(small, "first", file_of("first")).json["taken"] == "continued"
    assert put(author, "second", file_of("second")).json["taken"] == "planned"
    to_list = b"campaign: to-list\nmessage: Hi\naudience: [{contact_list: 7}]\n"
    refused = put(small, "to-list", to_list).problem(429, "quota_spent")
    assert refused == "the token small has a quota, and nobody knows how many people a contact list has"


def test_a_plan_needs_less_than_a_campaign(table: str, callers: Callers) -> None:
    planner = callers.with_scopes(Scope.PLAN)
    assert put(planner, "only-planned", file_of("only-planned"), query="?dry_run=true").status == 200
    for query in ("", "?dry_run=false"):
        refused = put(planner, "only-planned", file_of("only-planned"), query=query)
        assert refused.problem(403, "not_allowed").endswith("it needs the scope submit")
    both = put(planner, "only-planned", file_of("only-planned"), query="?dry_run=true&dry_run=false")
    assert both.problem(422, "invalid") == "query/dry_run is given more than once in the query"


def test_samples_are_for_those_who_may_see_numbers(table: str, callers: Callers) -> None:
    seer = callers.with_scopes(Scope.PLAN, Scope.READ_NUMBERS)
    plan = put(seer, "seen", file_of("seen"), query="?dry_run=true").json
    assert plan["samples"][0]["text"] == "Hi Anna, our sale begins."
