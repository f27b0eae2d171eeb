"""`suppress`: the list of numbers that get nothing, edited by hand and with tables; replies that a person reads."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from openpyxl import Workbook
from typer.testing import Result

from campaigns.lifecycle import RunState
from campaigns.optout import Meaning
from tests.support.clocks import START
from worker.store.engine import Store
from worker.store.people import stored_replies
from worker.store.people.stored_replies import Incoming
from worker.store.runs.runs import run_view
from worker.store.tables import runs

Cli = Callable[..., Result]
Planned = Callable[[str], tuple[Store, int]]

ANNA = "+393331000001"
BEN = "+393331000002"


def exported(run: Cli, *arguments: str) -> list[dict[str, str]]:
    result = run("suppress", "export", "--json", *arguments)
    assert result.exit_code == 0
    return [json.loads(line) for line in result.stdout.splitlines()]


def states(run: Cli, campaign: str) -> dict[str, int]:
    said: dict[str, int] = json.loads(run("status", campaign, "--json").stdout)["recipients"]
    return said


def test_numbers_are_added_listed_and_removed(run: Cli) -> None:
    assert run("suppress", "list").stdout == "nobody is on the list\n"
    assert run("suppress", "add", "+39 333 100 0001", BEN, "--reason", "by phone").stdout == "added: 2\n"
    assert run("suppress", "add", ANNA).stdout == "added: 0; on the list already: 1\n"
    shown = run("suppress", "list").stdout
    assert "+39…01" in shown
    assert ANNA not in shown
    assert "by phone" in shown
    assert run("suppress", "remove", ANNA, "+39 333 100 0009").stdout == "removed: 1; not on the list: 1\n"
    assert [entry["number"] for entry in exported(run)] == [BEN]


def test_numbers_are_read_as_in_tables(run: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """As people type them: in the country that is set, or with any way to write another one."""
    monkeypatch.setenv("CAMPAIGNS_REGION", "DE")
    for place, typed in enumerate(("0171 1234567", "0049 171 1234567", "+49 (0)171 123 45 67", "0171/1234567")):
        assert run("suppress", "add", typed).stdout == ("added: 0; on the list already: 1\n" if place else "added: 1\n")
    monkeypatch.delenv("CAMPAIGNS_REGION")
    refused = run("suppress", "add", "0171 1234567")
    assert (refused.exit_code, "has no country code, and CAMPAIGNS_REGION is not set" in refused.output) == (2, True)
    assert [entry["number"] for entry in exported(run)] == ["+491711234567"]


def test_who_is_added_gets_nothing_of_what_is_planned_or_comes(run: Cli, planned: Planned, campaign_file: Path) -> None:
    planned("spring-sale")
    run("suppress", "add", ANNA)
    assert states(run, "spring-sale") == {"audience": 4, "pending": 1, "suppressed": 1, "invalid": 1, "duplicate": 1}
    said = json.loads(run("plan", str(campaign_file), "--json").stdout)
    assert said["recipients"]["suppressed"] == 1
    assert "opted out: gets nothing since" in run("why", ANNA).stdout


def test_an_entry_of_one_kind_leaves_the_others_alone(run: Cli, planned: Planned) -> None:
    planned("spring-sale")
    assert run("suppress", "add", ANNA, "--kind", "reminder").exit_code == 0
    assert states(run, "spring-sale")["pending"] == 2
    assert run("suppress", "remove", ANNA, "--kind", "marketing").stdout == "removed: 0; not on the list: 1\n"
    assert run("suppress", "remove", ANNA).stdout == "removed: 1\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["add", "12"], "the number cannot be used"),
        (["add", "+393331234567", "call me"], "number 2 of 2 cannot be used: contains letters"),
        (["remove", "1", "+393331234567"], "number 1 of 2 cannot be used: "),
        (["add", ANNA, "--kind", "spam"], "there is no kind spam"),
        (["import", "no.csv"], "no.csv: "),
        (["review", "7", "--keep"], "no reply 7 waits to be read"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(run: Cli, arguments: list[str], told: str) -> None:
    result = run("suppress", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr


def tables(folder: Path) -> dict[str, Path]:
    rows = [("+39 333 100 0001", "marketing"), ("not a number", ""), ("+39 333 100 0002", ""), (ANNA, "spam")]
    found = {ending: folder / f"list.{ending}" for ending in ("csv", "tsv", "jsonl", "xlsx")}
    found["csv"].write_text("number;kind\n" + "".join(f"{a};{b}\n" for a, b in rows))
    found["tsv"].write_text("number\tkind\n" + "".join(f"{a}\t{b}\n" for a, b in rows))
    found["jsonl"].write_text("".join(json.dumps({"number": a, "kind": b}) + "\n" for a, b in rows))
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in [("number", "kind"), *rows]:
        sheet.append(row)
    book.save(found["xlsx"])
    return found


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "xlsx"])
def test_a_table_is_read_and_its_bad_rows_are_told(run: Cli, folder: Path, ending: str) -> None:
    result = run("suppress", "import", str(tables(folder)[ending]))
    assert (result.exit_code, result.stdout) == (3, "added: 2\n")
    assert "contains letters" in result.stderr
    assert "its kind is not one of marketing, reminder, transactional" in result.stderr
    assert {(e["number"], e["kind"], e["source"]) for e in exported(run)} == {
        (ANNA, "marketing", f"import list.{ending}"),
        (BEN, "", f"import list.{ending}"),
    }


def test_a_table_without_a_usable_row_is_refused(run: Cli, folder: Path) -> None:
    (folder / "stop.csv").write_text("number\n3.93331E+11\n")

    result = run("suppress", "import", "stop.csv")

    assert result.exit_code == 2
    assert "stop.csv: none of its rows can be used, so nobody was put on the list; row 2: " in result.stderr
    (folder / "stop.csv").write_text("number\n")
    assert run("suppress", "import", "stop.csv").stdout == "added: 0\n"


def test_a_row_that_may_be_two_numbers_opts_out_every_one_that_it_may_be(run: Cli, folder: Path) -> None:
    (folder / "two.csv").write_text("number\n+39 333 1000001/2\n+39 333 1000002\n")
    assert run("suppress", "import", "two.csv").stdout == "added: 2\n"
    assert run("suppress", "import", "two.csv").stdout == "added: 0; on the list already: 2\n"
    assert sorted(entry["number"] for entry in exported(run)) == [ANNA, BEN]


def test_what_was_exported_can_be_imported(run: Cli, folder: Path) -> None:
    run("suppress", "add", ANNA, "--reason", "=1+1")
    run("suppress", "add", BEN, "--kind", "marketing")
    assert run("suppress", "export", "--output", "out.csv").exit_code == 0
    assert '"\'=1+1"' in (folder / "out.csv").read_text()
    run("suppress", "remove", ANNA, BEN)
    assert run("suppress", "import", "out.csv").stdout == "added: 2\n"
    assert sorted((e["number"], e["kind"]) for e in exported(run)) == [(ANNA, ""), (BEN, "marketing")]


def test_a_person_reads_what_may_be_a_stop_and_decides(run: Cli, planned: Planned) -> None:
    # given two replies that look like stops
    store, run_id = planned("spring-sale")
    with store.write() as session:
        account_id = run_view(session, run_id).account_id
        replies = [
            Incoming(5 + place, number, text, 1, 0, START + timedelta(minutes=place), Meaning.REVIEW)
            for place, (number, text) in enumerate([(ANNA, "pls stop texting"), (BEN, "when does the sale stop?")])
        ]
        first, second = stored_replies.store_replies(session, account_id, replies, came_by="poll", now=START)
        session.execute(sa.text(f"UPDATE inbound SET run_id = {run_id}"))  # as if both had been sent to
    shown = run("suppress", "review").stdout
    assert "pls stop texting" in shown
    assert ANNA not in shown
    assert "2 replies may mean stop and wait to be read: campaigns suppress review" in run("status").stdout
    assert "2 replies may mean stop and wait to be read: campaigns suppress review" in run("top", "--once").stdout
    with store.write() as session:
        session.execute(sa.update(runs).values(state=RunState.COMPLETED, finished_at=START))
    idle = run("top", "--once").stdout
    assert ("2 replies may mean stop" in idle, "nothing needs you" in idle) == (True, False)
    # when one of them is a stop, and the other is not
    assert run("suppress", "review", str(first.id), "--opt-out").stdout == "opted out: 1\n"
    assert run("suppress", "review", str(second.id), "--keep", "--json").stdout == '{"kept": 1, "unchanged": 0}\n'
    # then
    assert run("suppress", "review").stdout == "no reply is waiting to be read\n"
    assert [(e["number"], e["source"], e["reason"]) for e in exported(run)] == [
        (ANNA, "reply", "replied pls stop texting")
    ]
    assert states(run, "spring-sale")["suppressed"] == 1
    story = json.loads(run("why", ANNA, "--json").stdout)
    assert [reply["text"] for reply in story["replies"]] == ["pls stop texting"]
    assert [entry["source"] for entry in story["suppressions"]] == ["reply"]


def test_a_stop_of_nobody_known_waits_with_its_number_in_full(run: Cli, planned: Planned) -> None:
    store, run_id = planned("spring-sale")
    with store.write() as session:
        account_id = run_view(session, run_id).account_id
        replies = [
            Incoming(5, "3331234911", "STOP", 1, 0, START, Meaning.STOP),
            Incoming(6, "+41555551234", "STOP", 1, 0, START, Meaning.STOP),
            Incoming(7, ANNA, "STOP", 1, 0, START, Meaning.STOP, reviewed_at=START),
            Incoming(8, "3331234567", "pls stop texting", 1, 0, START, Meaning.REVIEW),
            Incoming(9, "+393331\x1b[31m", "STOP", 1, 0, START, Meaning.STOP),
        ]
        first, second, _, asked, cut = stored_replies.store_replies(
            session, account_id, replies, came_by="poll", now=START
        )
    shown = [json.loads(line) for line in run("suppress", "review", "--json").stdout.splitlines()]
    # s7: also for one that only may mean stop: otherwise nobody can know who asks
    assert [(row["number"], row["of_nobody_known"]) for row in shown] == [
        (number, True) for number in ("3331234911", "+41555551234", "3331234567", "+393331\x1b[31m")
    ]
    told = run("suppress", "review").stdout
    assert ("nobody known" in told, "3331234567" in told, "\x1b" in told) == (True, True, False)
    # an incomplete number could never match anybody on the list
    for reply in (first, asked, cut):
        refused = run("suppress", "review", str(reply.id), "--opt-out")
        assert (refused.exit_code, "\x1b" in refused.stderr) == (2, False)
        assert "which is not a complete phone number: put the person on the list" in refused.stderr
        assert run("suppress", "review", str(reply.id), "--keep").stdout == "kept: 1\n"
    assert run("suppress", "review", str(second.id), "--opt-out").stdout == "opted out: 1\n"
    assert [entry["number"] for entry in exported(run)] == ["+41555551234"]
    assert run("suppress", "review").stdout == "no reply is waiting to be read\n"


def test_a_sender_with_a_line_break_makes_no_second_line(run: Cli, planned: Planned) -> None:
    store, run_id = planned("spring-sale")
    with store.write() as session:
        replies = [Incoming(5, "SHOP\n999  +39…99  fake", "STOP", 1, 0, START, Meaning.STOP)]
        account_id = run_view(session, run_id).account_id
        (stored,) = stored_replies.store_replies(session, account_id, replies, came_by="poll", now=START)

    told = run("suppress", "review").stdout
    refused = run("suppress", "review", str(stored.id), "--opt-out").stderr

    assert "SHOP 999  +39…99  fake" in told
    assert len(told.splitlines()) == 3
    assert len(refused.splitlines()) == 1
