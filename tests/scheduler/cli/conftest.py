"""Campaigns that were really planned, in the working folder."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import Result

from scheduler.intake.taking import read_file, take_up
from tests.support.clocks import START, FakeClock
from worker.building import build_runtime
from worker.settings.settings import load_settings
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
def run(cli: Run) -> Run:
    """The command line in this process: `run("status", "--json")`."""
    return cli


@pytest.fixture
def campaign_file(folder: Path) -> Path:
    """A valid campaign with four rows, two of which can be sent to."""
    (folder / "people.csv").write_text(PEOPLE)
    path = folder / "spring.yaml"
    path.write_text(CAMPAIGN.format(slug="spring-sale"))
    return path


@pytest.fixture
def planned(campaign_file: Path, migrated: Callable[[Path], None]) -> Iterator[Planned]:
    """Return a function that plans a campaign of this name; it returns (store, run id). Nothing is sent."""
    migrated(campaign_file.parent)
    clock = FakeClock(START - timedelta(days=1))
    runtime = build_runtime(load_settings(gateway_url="http://127.0.0.1:9", api_key="unused"), clock=clock)

    def plan(slug: str) -> tuple[Store, int]:
        campaign_file.write_text(CAMPAIGN.format(slug=slug))
        intake = take_up(runtime, read_file(campaign_file, runtime.settings), source=campaign_file.name)
        return runtime.store, intake.run_id

    yield plan
    runtime.close()
