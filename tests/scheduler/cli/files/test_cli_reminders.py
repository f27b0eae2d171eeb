"""Commands about a campaign that reminds: all of its days together."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import Result

from scheduler.cli.user import this_user
from scheduler.intake.taking import read_file, take_up
from scheduler.processes.progress import Progress
from scheduler.processes.running import run_files
from tests.support.clocks import START, FakeClock
from worker.building import build_runtime
from worker.runtime import Runtime
from worker.settings.settings import load_settings
from worker.store.runs import runs
from worker.store.runs.runs import RunView

Cli = Callable[..., Result]

FILE = """\
campaign: visits
message: "{{ name }}, see you on {{ at }}"
audience: {file: visits.csv}
schedule:
  timezone: Europe/Rome
  remind: {column: at, before: [24h, 2h], key: id}
"""
ROWS = """\
number,name,at,id,cancelled
+393331000001,Anna,2099-12-03 09:30,A-1,
+393331000001,Anna,2099-12-07 09:30,A-2,no
+393331000002,Bob,2099-12-03 11:00,A-3,
+393331000003,Carl,,A-4,
+393331000004,Dora,2099-12-03 12:00,A-5,yes
+393331000005,Eva,2001-12-03 12:00,A-6,
"""


@pytest.fixture
def file(folder: Path) -> Path:
    (folder / "visits.csv").write_text(ROWS)
    path = folder / "visits.yaml"
    path.write_text(FILE)
    return path


@pytest.fixture
def service(file: Path) -> Iterator[Runtime]:
    """Reminders on five days; the rows that get none are in the run of Tuesday 2026-12-01."""
    clock = FakeClock(START)
    runtime = build_runtime(load_settings(gateway_url="http://127.0.0.1:9", api_key="unused"), clock=clock)
    take_up(runtime, read_file(file, runtime.settings), source=file.name)
    yield runtime
    runtime.close()


def all_runs(runtime: Runtime) -> list[RunView]:
    with runtime.store.read() as session:
        return runs.campaign_runs(session, "visits")


def test_plan_shows_the_reminders_ahead_offset_by_offset(run: Cli, file: Path) -> None:
    told = json.loads(run("plan", str(file), "--json").stdout)
    shown = run("plan", str(file)).stdout

    assert told["recipients"] == {"audience": 10, "pending": 6, "cancelled": 1, "skipped": 3}
    assert [(each["offset"], each["recipients"], each["missed"]) for each in told["reminders"]] == [
        ("1d before", 3, 1),
        ("2h before", 3, 1),
    ]
    assert told["reminders"][0]["first_send_at"] == "2099-12-02T08:30:00Z"
    assert "1d before: 3 texts, from Wed 2099-12-02 09:30" in shown
    assert "; 1 missed" in shown
    assert "skipped: has no 'at'" in shown


def test_status_adds_up_all_days_and_lists_the_others(run: Cli, service: Runtime) -> None:
    table, detail = run("status").stdout, run("status", "visits").stdout
    (told,) = map(json.loads, run("status", "visits", "--json").stdout.splitlines())
    last = all_runs(service)[-1]
    (one,) = map(json.loads, run("status", "visits", "--run", str(last.id), "--json").stdout.splitlines())

    assert table.count("visits") == 1
    assert told["recipients"] == {"audience": 10, "pending": 6, "cancelled": 1, "skipped": 3}
    assert (one["day"], one["recipients"]) == ("2099-12-07", {"audience": 1, "pending": 1})
    assert "of 2099-12-07: scheduled" in detail


def test_export_covers_all_days_unless_one_is_named(run: Cli, service: Runtime) -> None:
    every = list(csv.DictReader(io.StringIO(run("export", "visits").stdout)))
    last = all_runs(service)[-1]
    one = list(csv.DictReader(io.StringIO(run("export", "visits", "--run", str(last.id)).stdout)))
    lines = run("export", "visits", "--json").stdout.splitlines()

    assert len(every) == len(lines) == 10
    assert {row["number"] for row in one} == {"+393331000001"}


def test_why_says_which_appointment(run: Cli, service: Runtime) -> None:
    anna, carl = run("why", "+393331000001").stdout, run("why", "+393331000003").stdout
    told = json.loads(run("why", "+393331000001", "--json").stdout)

    assert "row 2 of visits.csv, the reminder 1d before 2099-12-03 09:30, appointment A-1" in anna
    assert "has no 'at'" in carl
    assert {entry["reminder"] for entry in told["story"]} >= {
        "the reminder 2h before 2099-12-07 09:30, appointment A-2"
    }


def test_pause_resume_and_cancel_are_about_all_days(run: Cli, service: Runtime) -> None:
    run("pause", "visits")
    assert {each.state.value for each in all_runs(service)} == {"paused"}
    run("resume", "visits")
    assert {each.state.value for each in all_runs(service)} == {"scheduled"}
    assert "6 texts will not be sent" in run("cancel", "visits", "-y").stdout


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (
            "column: att",
            "visits.yaml:6:20: schedule.remind.column: is 'att', which 'visits.csv' does not have (did you",
        ),
        (
            "key: appointment",
            "schedule.remind.key: is 'appointment', which 'visits.csv' does not have (there is number",
        ),
    ],
)
def test_a_column_that_is_not_there_is_an_error_of_the_file(run: Cli, file: Path, broken: str, problem: str) -> None:
    key = broken.partition(":")[0]
    file.write_text(FILE.replace({"column": "column: at", "key": "key: id"}[key], broken))

    result = run("check", str(file), catch_exceptions=False)

    assert result.exit_code == 2
    assert problem in result.stderr


class SeenEnough(Exception):
    """Nobody waits until 2099."""


def test_run_waits_for_every_day(service: Runtime, file: Path) -> None:
    seen: set[int] = set()

    def shown(progress: Sequence[Progress]) -> None:
        seen.update(each.run.id for each in progress)
        raise SeenEnough

    with pytest.raises(SeenEnough):
        run_files([file], service.settings, this_user(), sandbox=None, told=lambda _: None, shown=shown)

    assert seen == {each.id for each in all_runs(service)}


def test_date_forms_a_table_of_which_nobody_could_be_sent_to_is_no_success(run: Cli, file: Path) -> None:
    (file.parent / "visits.csv").write_text("number,name,at,id\n+393331000001,A,12/05/2026,1\n+393331000002,B,,2\n")

    result = run("run", str(file), "--sandbox", "--json")

    assert json.loads(result.stdout)["recipients"] == {"audience": 2, "invalid": 1, "skipped": 1}
    assert result.exit_code == 3
