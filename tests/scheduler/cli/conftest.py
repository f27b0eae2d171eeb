"""A working folder without any setting, the command line in it, and campaigns that were really planned."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from scheduler.cli.app import app
from scheduler.intake import read_file, take_up
from tests.support.clocks import START, FakeClock
from worker.runtime import build_runtime
from worker.settings import load_settings
from worker.store.engine import Store

Run = Callable[..., Result]
Planned = Callable[[str], tuple[Store, int]]

CAMPAIGN = """\
campaign: {slug}
message: Hi {{{{ first_name | default("there") }}}}
audience:
  - file: people.csv
    number: phone
schedule:
  start: 2026-12-01 09:00
  timezone: Europe/Rome
"""
PEOPLE = """\
phone,first_name
+39 333 100 0001,Anna
+39 333 100 0002,
+39 333 100 0001,Anna again
=2+5,Mallory
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder; the zone of the machine that runs the tests does not show."""
    for name in os.environ:
        if name.startswith("CAMPAIGNS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CAMPAIGNS_TIMEZONE", "Europe/Rome")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    """The command line in this process: `run("status", "--json")`."""
    return lambda *arguments, **more: CliRunner().invoke(app, list(arguments), prog_name="campaigns", **more)


@pytest.fixture
def campaign_file(folder: Path) -> Path:
    """A valid campaign with four rows, of which two can be sent to."""
    (folder / "people.csv").write_text(PEOPLE)
    path = folder / "spring.yaml"
    path.write_text(CAMPAIGN.format(slug="spring-sale"))
    return path


@pytest.fixture
def planned(campaign_file: Path) -> Iterator[Planned]:
    """Plans a campaign of this name into the database of the settings; (store, run id). Nothing is sent."""
    clock = FakeClock(START - timedelta(days=1))
    runtime = build_runtime(load_settings(gateway_url="http://127.0.0.1:9", api_key="unused"), clock=clock)

    def plan(slug: str) -> tuple[Store, int]:
        campaign_file.write_text(CAMPAIGN.format(slug=slug))
        intake = take_up(runtime, read_file(campaign_file, runtime.settings), source=campaign_file.name)
        return runtime.store, intake.run_id

    yield plan
    runtime.close()
