"""A planned campaign and somebody who asks: what every caller passes to an action."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from scheduler.actions.submitting import submit
from scheduler.intake.taking import read_file
from tests.scheduler.actions.actions_world import ANNA, CAMPAIGN
from tests.support.clocks import START, FakeClock
from worker.runtime import Runtime, build_runtime
from worker.settings.settings import load_settings


@pytest.fixture
def runtime(folder: Path, migrated: Callable[[Path], None]) -> Iterator[Runtime]:
    """A real runtime, with a campaign to two people that starts the next day. The gateway need not be there."""
    migrated(folder)
    clock = FakeClock(START - timedelta(days=1))
    runtime = build_runtime(load_settings(gateway_url="http://127.0.0.1:9", api_key="unused"), clock=clock)
    path = folder / "spring.yaml"
    path.write_text(CAMPAIGN)
    submit(runtime, ANNA, read_file(path, runtime.settings), source=path.name)
    yield runtime
    runtime.close()
