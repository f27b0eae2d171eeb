"""`--output`: the same facts for people, for programs and for spreadsheets, from every command that lists things."""

import csv
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from typer.main import get_command
from typer.testing import Result

from campaigns.alerts.figures import AlertName
from campaigns.optout import Meaning
from scheduler.cli.app import app
from scheduler.cli.rendering.listing import Output
from tests.scheduler.cli.cli_world import put
from tests.scheduler.cli.control.test_cli_devices import a_stuck_phone
from tests.support.clocks import START
from worker.store.engine import Store
from worker.store.notifications.alerts import raise_alert
from worker.store.notifications.calls import record_call
from worker.store.notifications.outbox import DueNotice
from worker.store.people import stored_replies
from worker.store.people.stored_replies import Incoming
from worker.store.runs.runs import run_view

Cli = Callable[..., Result]
Planned = Callable[[str], tuple[Store, int]]

LISTING: Final = {
    "status": "",
    "status spring-sale": "",
    "devices": "",
    "held spring-sale": "groups",
    "throttle": "",
    "suppress list": "",
    "suppress review": "",
    "notify": "targets",
    "calls": "",
    "audit": "",
    "alerts": "",
    "users list": "",
    "tokens list": "",
    "doctor": "findings",
}
"""Every command that lists things, and the key of its list in an object of `--json`; empty: each line is an item."""

OF_GROUPS: Final = {"people": "number"}  # a row for each person
NOT_IN_CSV: Final = {"requests"}  # the evidence of held texts, which has no place in a cell


def commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        yield f"{prefix}{name}", command


def test_every_command_that_lists_things_is_tested_here() -> None:
    choosing = {
        name
        for name, command in commands(get_command(app))
        for param in command.params
        if "--output" in param.opts and (param.help or "").startswith("table: ")
    }
    assert choosing == {name.removesuffix(" spring-sale") for name in LISTING}


@pytest.fixture
def full(run: Cli, planned: Planned, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line on a database in which each of these commands has something to list."""
    store, run_id = planned("spring-sale")
    a_stuck_phone(store, run_id)
    put(store, run_id, "+393331000001", state="held", reason="=cmd|' /C calc'!A0")
    with store.write() as session:
        account_id = run_view(session, run_id).account_id
        replies = [Incoming(5, "+393331000002", "+stop\nplease", 1, 0, START, Meaning.REVIEW)]
        stored_replies.store_replies(session, account_id, replies, came_by="poll", now=START)
        notice = DueNotice(1, "webhook", "https://a.example/", "run.paused", {}, run_id, START, 0)
        record_call(session, notice, at=START, target="a.example", status=500, problem="HTTP 500", seconds=0.1)
        raise_alert(session, AlertName.PHONE_STUCK, "2", {"texts": 3}, rehearsal=False, now=START)
    assert run("suppress", "add", "+393331000009", "--reason", "=1+1").exit_code == 0
    assert run("users", "add", "anna", "--role", "viewer", "--no-password").exit_code == 0
    assert run("tokens", "add", "crm", "--scope", "read").exit_code == 0
    monkeypatch.setenv("CAMPAIGNS_REPORT_WEBHOOK", "https://example.com/hook")
    return run


def leaves(item: dict[str, Any], columns: list[str], prefix: str = "") -> Iterator[str]:
    """The columns in which the values of an object of JSON belong."""
    for key, value in item.items():
        name = f"{prefix}{OF_GROUPS.get(key, key)}"
        if isinstance(value, dict) and name not in columns:
            yield from leaves(value, columns, f"{name}.")
        elif key not in NOT_IN_CSV and (value is not None or name in columns):
            yield name


@pytest.mark.parametrize(("command", "key"), LISTING.items())
def test_every_form_has_the_same_facts(full: Cli, command: str, key: str) -> None:
    words = command.split()
    shown = {form: full(*words, "--output", form) for form in Output}
    plain, as_json = full(*words), full(*words, "--json")
    # then
    assert len({result.exit_code for result in (*shown.values(), plain, as_json)}) == 1
    assert (shown[Output.TABLE].stdout, shown[Output.JSON].stdout) == (plain.stdout, as_json.stdout)
    found = [json.loads(line) for line in as_json.stdout.splitlines()]
    items = found[0][key] if key else found
    header, *rows = csv.reader(shown[Output.CSV].stdout.splitlines())
    assert len(rows) == len(items) > 0
    for item, row in zip(items, rows, strict=True):
        cells = dict(zip(header, row, strict=True))
        assert set(leaves(item, header)) <= set(header)
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row if cell not in SAFE)
        plain_values = {name: value for name, value in item.items() if isinstance(value, (int, str))}
        differing = [name for name, value in plain_values.items() if cells[name].replace("'", "") != as_cell(value)]
        assert differing == []


SAFE: Final = {"+393331000002"}
"""A full number is no formula, as in an export."""


def as_cell(value: object) -> str:
    text = json.dumps(value) if isinstance(value, bool) else str(value)
    return text.replace("\n", " ").replace("'", "")


@pytest.mark.parametrize(
    "command",
    [
        *("status", "devices", "suppress list", "suppress review", "notify", "calls", "audit", "alerts"),
        *("users list", "tokens list"),
    ],
)
def test_without_anything_to_list_csv_is_its_header(run: Cli, command: str) -> None:
    result = run(*command.split(), "--output", "csv")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)


def test_two_forms_at_once_are_refused(run: Cli) -> None:
    result = run("devices", "--json", "--output", "csv")
    assert result.exit_code == 2
    assert "--json means --output json: use only one of them" in result.stderr


def test_csv_is_watched_with_one_header(full: Cli) -> None:
    assert full("status", "--output", "csv").stdout.count('"campaign","run"') == 1
