"""`status` and `export`, and `scheduler.report` behind them."""

import csv
import io
import json
import os
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col
from typer.testing import Result

from campaigns.codes import PausedBy
from campaigns.lifecycle import RecipientState
from scheduler.cli.rendering.progress import COLUMNS as OVERVIEW
from scheduler.report.rows import write_csv
from worker.store.engine import Store
from worker.store.following.groups import add_groups
from worker.store.models import Account, Batch, Recipient, Run
from worker.store.reports.exports import COLUMNS

Cli = Callable[..., Result]
Planned = Callable[[str], tuple[Store, int]]

SUMMARY_KEYS = {"campaign", "run", "state", "recipients", "segments", "requests", "started_at", "finished_at"}


def deliver(store: Store, run_id: int, number: str) -> None:
    """Pretend that the gateway has delivered to this number."""
    at = datetime(2026, 12, 1, 9, 0, 30, 250_000, tzinfo=UTC)
    with store.write() as session:
        (group,) = add_groups(session, run_id, 1, [")V5=x"], now=at, first_poll_at=at).values()
        session.execute(
            sa.update(Recipient)
            .where(col(Recipient.run_id) == run_id, col(Recipient.number) == number, col(Recipient.occurrence) == 0)
            .values(state="delivered", gateway_id=17, message_group_id=group, device=1, attempts=1, delivered_at=at)
        )


@pytest.mark.parametrize("content", [None, b""])
def test_without_a_database_there_are_no_campaigns_yet(run: Cli, folder: Path, content: bytes | None) -> None:
    if content is not None:
        (folder / "campaigns.db").write_bytes(content)
    before = sorted(folder.iterdir())

    result = run("status")

    assert (result.exit_code, sorted(folder.iterdir())) == (0, before)
    assert result.stdout.startswith("there are no campaigns yet")
    assert run("status", "--json").stdout == ""


def test_s11_a_database_in_a_folder_that_there_is_not_is_bad_input(run: Cli, folder: Path) -> None:
    for command in ("status", "why", "devices"):
        arguments = [command, "+393331234567"] if command == "why" else [command]
        result = run(*arguments, env={"CAMPAIGNS_DATABASE_URL": f"sqlite:///{folder}/none/x.db"})
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"the folder of the database, {folder}/none, does not exist: make it, or set")


def test_a_named_campaign_without_a_database_is_bad_input(run: Cli) -> None:
    result = run("status", "spring-sale")

    assert result.exit_code == 2
    assert result.stderr.startswith("there are no campaigns yet")


def test_an_unknown_campaign_is_answered_with_the_nearest_name(run: Cli, planned: Planned) -> None:
    planned("spring-sale")

    result = run("status", "sprign-sale")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "there is no campaign sprign-sale; did you mean spring-sale?\n"


def test_the_json_of_a_campaign_is_the_one_that_scripts_know(run: Cli, planned: Planned) -> None:
    _, run_id = planned("spring-sale")

    result = run("status", "spring-sale", "--json")

    assert json.loads(result.stdout) == {
        "campaign": "spring-sale",
        "run": run_id,
        "state": "scheduled",
        "recipients": {"audience": 4, "pending": 2, "invalid": 1, "duplicate": 1},
        "segments": 0,
        "requests": {"send": 0, "read": 0},
        "started_at": None,
        "finished_at": None,
        "forecast": {"first_send_at": "2026-12-01T08:00:00Z", "last_send_at": "2026-12-01T08:00:02Z"},
    }


def test_a_reason_and_times_are_in_the_json_when_there_are_any(run: Cli, planned: Planned) -> None:
    store, run_id = planned("spring-sale")
    with store.write() as session:
        at = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
        session.execute(sa.update(Run).where(col(Run.id) == run_id).values(reason="paused by hand", started_at=at))

    summary = json.loads(run("status", "--json", "spring-sale").stdout)

    assert summary.keys() == SUMMARY_KEYS | {"forecast", "reason"}
    assert (summary["reason"], summary["started_at"]) == ("paused by hand", "2026-12-01T08:00:00Z")


def test_status_lists_every_campaign_with_counts_that_add_up(run: Cli, planned: Planned) -> None:
    planned("spring-sale")
    store, run_id = planned("autumn-sale")
    deliver(store, run_id, "+393331000001")

    result = run("status")
    lines = [json.loads(line) for line in run("status", "--json").stdout.splitlines()]

    header, spring, autumn = result.stdout.splitlines()
    assert header.split() == [
        *("campaign", "state", "open", "sent", "delivered", "failed", "held", "not", "sent", "audience"),
        *("started", "remarks"),
    ]
    assert spring.split()[:9] == ["spring-sale", "scheduled", "2", "0", "0", "0", "0", "2", "4"]
    assert autumn.split()[:9] == ["autumn-sale", "scheduled", "1", "0", "1", "0", "0", "2", "4"]
    assert [line["campaign"] for line in lines] == ["spring-sale", "autumn-sale"]


def test_every_state_is_in_one_column_of_the_overview() -> None:
    shown = [state for states in OVERVIEW.values() for state in states]

    assert sorted(shown) == sorted(RecipientState)


def test_status_says_what_a_campaign_waits_for(run: Cli, planned: Planned) -> None:
    store, run_id = planned("spring-sale")

    waiting = run("status", "spring-sale").stdout
    with store.write() as session:
        session.execute(sa.update(Run).where(col(Run.id) == run_id).values(state="running"))
        session.execute(
            sa.update(Account).values(
                paused_by=PausedBy.GATEWAY, paused_reason="the gateway account has no credits left"
            )
        )
    paused = run("status", "spring-sale").stdout

    assert "starts Tue 2026-12-01 09:00 (Europe/Rome)" in waiting
    assert "the account is paused: the gateway account has no credits left" in paused
    assert "2 planned" in paused  # batches: at 30/minute, one text per request


@pytest.mark.parametrize(
    ("run_values", "batch_values", "words"),
    [
        ({"state": "scheduled", "planned_at": None}, {}, "is being planned"),
        ({"state": "paused", "reason": "paused by hand"}, {}, "paused: paused by hand"),
        ({"state": "running"}, {"state": "unknown"}, "2 requests are in doubt and looked up at the gateway"),
        ({"state": "running"}, {"reason": "outside the window"}, "09:00 (Europe/Rome): outside the window"),
        ({"state": "settling"}, {"state": "accepted"}, "waits for receipts"),
    ],
)
def test_every_reason_to_wait_is_said(
    run: Cli, planned: Planned, run_values: dict[str, str], batch_values: dict[str, str], words: str
) -> None:
    store, run_id = planned("spring-sale")
    with store.write() as session:
        session.execute(sa.update(Run).where(col(Run.id) == run_id).values(**run_values))
        if batch_values:
            session.execute(sa.update(Batch).values(**batch_values))

    assert words in run("status", "spring-sale").stdout
    assert words in run("status").stdout


def test_a_terminal_cannot_be_rewritten_by_a_reason(run: Cli, planned: Planned) -> None:
    store, run_id = planned("spring-sale")
    with store.write() as session:
        session.execute(sa.update(Run).where(col(Run.id) == run_id).values(state="failed", reason="bad \x1b[2Jfile"))

    for command in (["status"], ["status", "spring-sale"]):
        assert "\x1b" not in run(*command).stdout


def test_a_finished_campaign_is_watched_once(run: Cli, planned: Planned) -> None:
    store, run_id = planned("spring-sale")
    with store.write() as session:
        at = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)
        session.execute(sa.update(Run).where(col(Run.id) == run_id).values(state="completed", finished_at=at))

    result = run("status", "spring-sale", "--watch", "--json")

    assert [json.loads(line)["state"] for line in result.stdout.splitlines()] == ["completed"]


def test_a_database_of_another_make_is_told_in_one_sentence(run: Cli, folder: Path) -> None:
    with sqlite3.connect(folder / "campaigns.db") as connection:
        connection.execute("CREATE TABLE run (id INTEGER)")
    connection.close()

    result = run("status")

    assert result.exit_code == 2
    assert "the database was not made by this version" in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_export_has_the_columns_and_the_rows_of_the_audience(run: Cli, planned: Planned) -> None:
    store, run_id = planned("spring-sale")
    deliver(store, run_id, "+393331000001")

    rows = list(csv.DictReader(io.StringIO(run("export", "spring-sale").stdout)))

    assert list(rows[0]) == list(COLUMNS)
    assert [row["state"] for row in rows] == ["delivered", "pending", "duplicate", "invalid"]
    assert (rows[0]["number"], rows[0]["text"], rows[0]["gateway_id"]) == ("+393331000001", "Hi Anna", "17")
    assert rows[0]["delivered_at"] == "2026-12-01T09:00:30.250000Z"
    assert rows[0]["planned_at"] == "2026-11-30T09:00:00Z"
    assert (rows[1]["gateway_id"], rows[1]["delivered_at"]) == ("", "")


def test_json_lines_keep_types(run: Cli, planned: Planned) -> None:
    store, run_id = planned("spring-sale")
    deliver(store, run_id, "+393331000001")

    rows = [json.loads(line) for line in run("export", "spring-sale", "--json").stdout.splitlines()]

    assert list(rows[0]) == list(COLUMNS)
    assert (rows[0]["gateway_id"], rows[0]["segments"], rows[1]["gateway_id"]) == (17, 1, None)
    assert rows[3]["number"] == "=2+5"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "+1"),  # a phone number, or as good as one
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2", "'-2"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", " x"),
        ("Hi, Anna\nBye", "Hi, Anna Bye"),
        ("ok\r=cmd|' /C calc'!A0", "ok =cmd|' /C calc'!A0"),  # no cell begins with the sign
        ("hi;=cmd|' /C calc'!A0;", "hi;'=cmd|' /C calc'!A0;"),
        ('hi; ""=1+1', 'hi; ""\'=1+1'),
        ("a\t=1\u2028-1|@x\x1b", "a =1 -1|'@x "),
        (" =1", " '=1"),
        ("\u200b=1", "\u200b'=1"),
        ("\ufeff@x", "\ufeff'@x"),
        ("hi;\u2060 \u00ad-1|\u3164\u2800\ufe0f=1", "hi;\u2060 \u00ad'-1|\u3164\u2800\ufe0f'=1"),
        ("＝1+1", "'＝1+1"),
        ("\u200b＋1|－1;＠x", "\u200b'＋1|'－1;'＠x"),
        ("﹦1|﹢1;﹣1;﹫x", "'﹦1|'﹢1;'﹣1;'﹫x"),
        ("⁼1;⁺1", "'⁼1;'⁺1"),
        ("\u200bHi Anna", "\u200bHi Anna"),
        ("5 - 3 = 2; a+b", "5 - 3 = 2; a+b"),
        ("", ""),
    ],
)
def test_no_cell_of_a_csv_is_a_formula(planned: Planned, text: str, safe: str) -> None:
    # given
    store, run_id = planned("spring-sale")
    with store.write() as session:
        session.execute(sa.update(Recipient).values(text=text, reason=text))

    # when
    harmless, raw = io.StringIO(newline=""), io.StringIO(newline="")
    counts = (write_csv(store, run_id, harmless), write_csv(store, run_id, raw, raw=True))

    # then
    assert counts == (4, 4)
    rows = list(csv.DictReader(io.StringIO(harmless.getvalue(), newline="")))
    assert {(row["text"], row["reason"]) for row in rows} == {(safe, safe)}
    assert [row["number"] for row in rows] == ["+393331000001", "+393331000002", "+393331000001", "'=2+5"]
    # and no cell begins with a sign in a program that splits at other characters, or takes any break for a row
    lines = re.split("[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", harmless.getvalue())
    assert len(lines) == 5 + 1
    for delimiter in ";|\t":
        cells = [cell.strip(' "') for line in lines for cell in line.split(delimiter)]
        assert not [cell for cell in cells if cell.startswith(("=", "-", "@", "+c"))]
    # and unchanged, they are still one row each
    assert len(list(csv.reader(io.StringIO(raw.getvalue(), newline="")))) == 5
    raw_rows = list(csv.DictReader(io.StringIO(raw.getvalue(), newline="")))
    assert {row["text"] for row in raw_rows} == {text}
    assert raw_rows[3]["number"] == "=2+5"


def test_an_export_into_a_file_is_whole_and_leaves_nothing_else(run: Cli, planned: Planned, folder: Path) -> None:
    planned("spring-sale")
    (folder / "out").mkdir()

    result = run("export", "spring-sale", "--output", "out/report.csv")

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "wrote 4 recipients to out/report.csv\n"
    assert [path.name for path in (folder / "out").iterdir()] == ["report.csv"]
    assert (folder / "out" / "report.csv").stat().st_mode & 0o777 == 0o600
    assert (folder / "out" / "report.csv").read_text() == run("export", "spring-sale").stdout


def test_l5_an_export_writes_over_no_file_that_a_link_leads_to(run: Cli, planned: Planned, folder: Path) -> None:
    planned("spring-sale")
    (folder / "precious").write_text("keep me", encoding="utf-8")
    for name in (".out.csv.tmp", f".out.csv.{os.getpid()}.tmp", "out.csv"):
        (folder / name).symlink_to(folder / "precious")

    assert run("export", "spring-sale", "--output", "out.csv").exit_code == 0

    assert (folder / "precious").read_text(encoding="utf-8") == "keep me"
    assert not (folder / "out.csv").is_symlink()


def test_an_export_into_a_missing_folder_is_bad_input(run: Cli, planned: Planned) -> None:
    planned("spring-sale")

    result = run("export", "spring-sale", "--output", "nowhere/report.csv")

    assert result.exit_code == 2
    assert "No such file or directory" in result.stderr
