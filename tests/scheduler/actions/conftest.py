"""A planned campaign and somebody who asks: what every caller passes to an action."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from scheduler.actions.submitting import submit
from scheduler.intake.taking import read_file
from tests.scheduler.actions.actions_world import ANNA, CAMPAIGN
from tests.support.clocks import START, FakeClock
from worker.building import build_runtime
from worker.runtime import Runtime
from worker.settings.settings import Settings, load_settings


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


@pytest.fixture(params=["sqlite", "postgresql"])
def on_both(request: pytest.FixtureRequest, tmp_path: Path, migrated: Callable[[Path], None]) -> Iterator[Runtime]:
    """A runtime with an empty database of each kind, whose gateway nobody calls."""
    url = f"sqlite:///{tmp_path / 'campaigns.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    else:
        migrated(tmp_path)
    settings = Settings(database_url=url, timezone="UTC", region="IT", _env_file=None)
    made = build_runtime(settings, sandbox=("http://127.0.0.1:9", SecretStr("unused")), clock=FakeClock(START))
    yield made
    made.close()
