"""`campaigns audit`: who did what, and one sentence about whether the record is whole."""

import json
from collections.abc import Callable

import sqlalchemy as sa
from typer.testing import Result

from scheduler.exits import Exit
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


def test_nobody_has_done_anything_where_there_is_no_database(run: Run) -> None:
    assert run("audit").stdout == "there are no entries yet\n"
    assert run("audit", "--json").stdout == ""
    assert run("audit", "--output", "csv").stdout.startswith('"id","at","actor","from","action",')
