"""Commands about a campaign that repeats: which of its runs they mean."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col
from typer.testing import Result

from campaigns.lifecycle import RunState
from scheduler.intake import repeating
from scheduler.intake.taking import read_file, take_up
from tests.support.clocks import START, FakeClock
from worker.building import build_runtime
from worker.runtime import Runtime
from worker.settings.settings import load_settings
from worker.store.models import Run
from worker.store.runs import runs
from worker.store.runs.repetitions import all_repeating
from worker.store.runs.runs import RunView

Cli = Callable[..., Result]

DAILY = """\
campaign: news
message: Hello
audience:
  - recipients: [{number: "+393331000001"}]
schedule:
  repeat: {cron: "0 11 * * *"}
  timezone: Europe/Rome
"""


@pytest.fixture
def file(folder: Path) -> Path:
    path = folder / "news.yaml"
    path.write_text(DAILY)
    return path


@pytest.fixture
def service(file: Path) -> Iterator[Runtime]:
    """Two runs: one that is sending, of Tuesday 2026-12-01, and the next one."""
    clock = FakeClock(START)
    runtime = build_runtime(load_settings(gateway_url="http://127.0.0.1:9", api_key="unused"), clock=clock)
    take_up(runtime, read_file(file, runtime.settings), source=file.name)
    clock.advance(timedelta(minutes=58))
    for _ in range(2):
        repeating.repeat(runtime, lambda _: file.parent, clock.now())
    first, _ = all_runs(runtime)
    with runtime.store.write() as session:
        running = {"state": RunState.RUNNING, "started_at": clock.now()}
        session.execute(sa.update(Run).where(col(Run.id) == first.id).values(**running))
    yield runtime
    runtime.close()


def all_runs(runtime: Runtime) -> list[RunView]:
    with runtime.store.read() as session:
        return runs.campaign_runs(session, "news")


def states(runtime: Runtime) -> list[RunState]:
    return [run.state for run in all_runs(runtime)]


def test_status_is_about_the_run_that_has_begun_and_names_the_others(run: Cli, service: Runtime) -> None:
    first, second = all_runs(service)

    detail, table = run("status", "news").stdout, run("status").stdout
    (told,) = map(json.loads, run("status", "news", "--json").stdout.splitlines())
    (other,) = map(json.loads, run("status", "news", "--run", str(second.id), "--json").stdout.splitlines())

    assert f"run      {first.id} of Tue 2026-12-01 11:00 (Europe/Rome)".split() == [
        word for line in detail.splitlines() if line.startswith("run ") for word in line.split()
    ]
    assert f"{second.id} of Wed 2026-12-02 11:00 (Europe/Rome): scheduled" in detail
    assert (told["run"], told["moment"], told["recipients"]) == (
        first.id,
        "2026-12-01T10:00:00Z",
        {"audience": 1, "pending": 1},
    )
    assert (other["run"], other["recipients"]) == (second.id, {"audience": 0})
    assert table.count("news") == 2
    assert "starts Wed 2026-12-02 11:00" in table


def test_a_run_that_does_not_exist_is_refused(run: Cli, service: Runtime) -> None:
    assert service.account_id
    refused = run("export", "news", "--run", "99")

    assert refused.exit_code == 2
    assert "news has no run 99; see its runs with: campaigns status news" in refused.stderr


def test_an_export_is_of_the_run_that_has_begun(run: Cli, service: Runtime) -> None:
    first, second = all_runs(service)

    assert len(run("export", "news").stdout.splitlines()) == 2
    assert len(run("export", "news", "--run", str(first.id)).stdout.splitlines()) == 2
    assert len(run("export", "news", "--run", str(second.id)).stdout.splitlines()) == 1


def test_pause_and_resume_mean_every_run_that_may_send(run: Cli, service: Runtime) -> None:
    run("pause", "news")
    assert states(service) == [RunState.PAUSED, RunState.PAUSED]

    assert run("resume", "news").stdout == "news is running again\n"

    assert states(service) == [RunState.RUNNING, RunState.SCHEDULED]


def test_cancel_ends_it_for_good(run: Cli, service: Runtime) -> None:
    cancelled = run("cancel", "news", "--yes")

    assert "news is cancelled: 1 text will not be sent" in cancelled.stdout
    assert states(service) == [RunState.CANCELLED, RunState.CANCELLED]
    with service.store.read() as session:
        assert all_repeating(session, rehearsal=False) == []


def test_run_is_for_campaigns_that_end(run: Cli, file: Path) -> None:
    refused = run("run", str(file), "--sandbox")

    assert refused.exit_code == 2
    assert "put the file into the inbox of a service: campaigns up" in refused.stderr
