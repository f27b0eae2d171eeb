"""A planned campaign and somebody who asks: what every door gives to an action."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from scheduler.actions.acting import Actor, ActorKind
from scheduler.actions.submitting import submit
from scheduler.intake.taking import read_file
from tests.support.clocks import START, FakeClock
from worker.runtime import Runtime, build_runtime
from worker.settings import load_settings

CAMPAIGN = """\
campaign: spring-sale
message: Our spring sale starts today.
audience:
  - recipients:
      - {number: "+39 333 100 0001"}
      - {number: "+39 333 100 0002"}
schedule: {start: 2026-12-02 09:00, timezone: Europe/Rome}
"""


@pytest.fixture
def anna() -> Actor:
    """Who asks."""
    return Actor(ActorKind.CLI, "anna")


@pytest.fixture
def runtime(folder: Path, migrated: Callable[[Path], None], anna: Actor) -> Iterator[Runtime]:
    """The real things of a campaign of two people that starts tomorrow. Nothing is sent: the gateway need not be there."""
    migrated(folder)
    clock = FakeClock(START - timedelta(days=1))
    runtime = build_runtime(load_settings(gateway_url="http://127.0.0.1:9", api_key="unused"), clock=clock)
    path = folder / "spring.yaml"
    path.write_text(CAMPAIGN)
    submit(runtime, anna, read_file(path, runtime.settings), source=path.name)
    yield runtime
    runtime.close()
