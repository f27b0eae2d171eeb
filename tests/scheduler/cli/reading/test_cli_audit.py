"""`campaigns audit`: who did what, and one sentence about whether the record is whole."""

import json
from collections.abc import Callable
from datetime import datetime

import pytest
import sqlalchemy as sa
from typer.testing import Result

from scheduler.cli.rendering.output import local_time
from scheduler.exits import Exit
from worker.settings.settings import load_settings
from worker.store.engine import Store

Run = Callable[..., Result]
Planned = Callable[[str], tuple[Store, int]]


def test_the_audit_is_shown_narrowed_down_and_checked(run: Run, planned: Planned) -> None:
    # given what the inbox and this user did
    store, run_id = planned("spring-sale")
    planned("other")
    run("pause", "spring-sale")
    run("suppress", "add", "+39 333 100 0001")

    # then all of it is shown, the newest last
    shown = run("audit").stdout
    assert [line.split()[0] for line in shown.splitlines()[1:]] == ["1", "2", "3", "4"]
    assert "process:inbox" in shown
    assert "+39…01" in shown

    def told(*options: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in run("audit", "--json", *options).stdout.splitlines()]

    assert [entry["action"] for entry in told("--campaign", "spring-sale")] == ["submit", "pause"]
    assert [entry["run"] for entry in told("--campaign", "spring-sale")] == [run_id, run_id]
    assert [entry["action"] for entry in told("--actor", "process:inbox")] == ["submit", "submit"]
    assert [entry["id"] for entry in told("--limit", "2")] == [3, 4]
    assert [entry["id"] for entry in told("--since", "7d")] == [1, 2, 3, 4]
    assert told("--since", "2099-01-01") == []
    assert "only the newest 2 are shown" in run("audit", "--limit", "2").stdout
    assert run("audit", "--since", "soon").exit_code == Exit.BAD_INPUT

    # and it is whole, until somebody changes it
    whole = run("audit", "--verify")
    assert (whole.exit_code, whole.stdout.startswith("the audit is whole: 4 entries")) == (Exit.DONE, True)
    with store.write() as session:
        session.execute(sa.text("UPDATE audit_entry SET actor = 'mallory' WHERE id = 2"))
    broken = run("audit", "--verify")
    assert broken.exit_code == Exit.UNHAPPY
    assert broken.stdout.startswith("the audit is broken: entry 2 was changed")
    assert len(broken.stdout.splitlines()) == 1
    found = json.loads(run("audit", "--verify", "--json").stdout)
    assert (found["whole"], found["fault"], found["entry"], found["entries"]) == (False, "changed", 2, 4)


def test_the_table_shows_details_as_people_write_them(run: Run) -> None:
    run("tokens", "add", "shop", "--scope", "read,read:numbers", "--expires", "90d", "--recipients-daily", "50")
    (entry,) = (json.loads(line) for line in run("audit", "--json").stdout.splitlines())
    expires = datetime.fromisoformat(entry["detail"]["expires_at"])
    shown = " ".join(run("audit").stdout.split())
    expected = f"scopes read read:numbers, recipients daily 50, expires at {local_time(expires, load_settings().zone)}"
    assert {text.split(" ")[0] for text in expected.split(", ")} <= set(shown.split())
    assert all(part in shown for part in expected.split(", "))
    assert "[" not in shown


def test_nobody_has_done_anything_where_there_is_no_database(run: Run) -> None:
    assert run("audit").stdout == "there are no entries yet\n"
    assert run("audit", "--verify").stdout == "the audit is whole: it has no entries yet\n"
    gone = run("audit", "--verify", "--anchor", f"2:{64 * '0'}")
    assert (gone.exit_code, gone.stdout.split(";")[0]) == (Exit.UNHAPPY, "the audit is broken: entry 1 was removed")
    assert run("audit", "--json").stdout == ""
    assert run("audit", "--output", "csv").stdout.startswith('"id","at","actor","from","action",')


CUT = """
    DELETE FROM audit_entry WHERE id > {to};
    UPDATE audit_head SET entries = {to}, last_id = {to}, digest = (SELECT digest FROM audit_entry WHERE id = {to})
"""

WRITTEN: list[tuple[str, str, str, int]] = [
    ("detail that is not JSON", "UPDATE audit_entry SET detail = '{{{' WHERE id = 2", "changed", 2),
    ("detail without end", f"UPDATE audit_entry SET detail = '{'[' * 100_000}' WHERE id = 2", "changed", 2),
    ("an actor of bytes", "UPDATE audit_entry SET actor = x'ff00' WHERE id = 2", "changed", 2),
    ("an actor that is not UTF-8", "UPDATE audit_entry SET actor = CAST(x'ff' AS TEXT) WHERE id = 3", "changed", 3),
    ("a time that is none", "UPDATE audit_entry SET at = 'garbage' WHERE id = 1", "changed", 1),
    ("detail that is a list", "UPDATE audit_entry SET detail = '[]' WHERE id = 2", "changed", 2),
    ("a run of words", "UPDATE audit_entry SET run_id = 'six' WHERE id = 2", "changed", 2),
    ("two of them", "UPDATE audit_entry SET at = 'garbage' WHERE id > 2", "changed", 3),
    ("a head that is not UTF-8", "UPDATE audit_head SET digest = CAST(x'ff' AS TEXT)", "head", 6),
    ("a head of words", "UPDATE audit_head SET last_id = 'six'", "head", 6),
    ("a second head", "INSERT INTO audit_head SELECT 2, entries, last_id, digest FROM audit_head", "head", 6),
    ("another head", "UPDATE audit_head SET id = 2", "head", 6),
    ("all of it removed", "DELETE FROM audit_entry; DELETE FROM audit_head", "missing", 1),
    ("a user of no date", "UPDATE app_user SET created_at = 'garbage'", "missing", 7),
]


@pytest.mark.parametrize(
    ("statements", "fault", "entry"), [row[1:] for row in WRITTEN], ids=[row[0] for row in WRITTEN]
)
def test_whatever_was_written_into_the_database_is_a_finding(
    run: Run, planned: Planned, statements: str, fault: str, entry: int
) -> None:
    # given two campaigns, what was done with them, a token and a user
    store, _ = planned("spring-sale")
    planned("other")
    run("pause", "spring-sale")
    run("suppress", "add", "+39 333 100 0001")
    assert run("tokens", "add", "shop", "--scope", "read").exit_code == Exit.DONE
    assert run("users", "add", "anna", "--role", "viewer", "--no-password").exit_code == Exit.DONE
    assert run("audit", "--verify").stdout.startswith("the audit is whole: 6 entries")
    # when somebody writes into the database
    with store.write() as session:
        for statement in statements.split(";"):
            session.execute(sa.text(statement))
    # then
    broken = run("audit", "--verify", "--json")
    assert broken.exit_code == Exit.UNHAPPY
    found = json.loads(broken.stdout)
    assert (found["whole"], found["fault"], found["entry"]) == (False, fault, entry)
    assert run("audit", "--verify").stdout.startswith("the audit is broken: ")
    # and the others are shown
    with store.write() as session:
        left = list(session.scalars(sa.text("SELECT id FROM audit_entry ORDER BY id")))
    shown = [json.loads(line) for line in run("audit", "--json").stdout.splitlines()]
    assert [each["id"] for each in shown] == left
    unreadable = [each["id"] for each in shown if each["action"] == "unreadable"]
    assert unreadable[:1] == [entry] * (fault == "changed")
    assert run("audit").stdout.count("unreadable") == len(unreadable)


def test_a_noted_end_shows_a_tail_that_was_cut_off_and_a_chain_that_was_written_anew(
    run: Run, planned: Planned
) -> None:
    # given an end that was noted
    store, _ = planned("spring-sale")
    run("pause", "spring-sale")
    noted = run("audit", "--verify").stdout.split()[-1]
    run("suppress", "add", "+39 333 100 0001")
    assert run("audit", "--verify", "--anchor", noted).exit_code == Exit.DONE
    assert run("audit", "--anchor", f"2:{64 * '0'}").stdout.startswith("the audit is broken: entry 2 is not the one")
    assert run("audit", "--verify", "--anchor", "2:abc").exit_code == Exit.BAD_INPUT
    # when the end is set back
    with store.write() as session:
        for statement in CUT.format(to=1).split(";"):
            session.execute(sa.text(statement))
    # then only the noted one shows it
    assert run("audit", "--verify").exit_code == Exit.DONE
    cut = run("audit", "--verify", "--anchor", noted)
    assert (cut.exit_code, cut.stdout.startswith("the audit is broken: entry 2 was removed")) == (Exit.UNHAPPY, True)


def test_a_tail_that_was_cut_off_shows_by_what_else_the_database_has(run: Run) -> None:
    for arguments in (
        ("tokens", "add", "shop", "--scope", "read"),
        ("tokens", "remove", "shop"),
        ("users", "add", "anna", "--role", "viewer", "--no-password"),
    ):
        assert run(*arguments).exit_code == Exit.DONE
    store = Store(load_settings().database_url)
    for statements, entry in ((CUT.format(to=2), 3), (f"DELETE FROM app_user; {CUT.format(to=1)}", 2)):
        with store.write() as session:
            for statement in statements.split(";"):
                session.execute(sa.text(statement))
        found = json.loads(run("audit", "--verify", "--json").stdout)
        assert (found["fault"], found["entry"]) == ("missing", entry)
    store.close()
