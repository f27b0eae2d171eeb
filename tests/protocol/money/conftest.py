"""Benches with a file of prices."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.protocol.world.money_bench import Make, making
from tests.support.clocks import FakeClock
from worker.store.engine import Store


@pytest.fixture
def make(tmp_path: Path, sqlite_store: Store, clock: FakeClock) -> Iterator[Make]:
    """Makes a bench with a file of prices."""
    yield from making(tmp_path, sqlite_store, clock)


@pytest.fixture(params=["sqlite_store", "postgres_store"])
def make_on_both(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Make]:
    """The same on each database in turn."""
    yield from making(tmp_path, request.getfixturevalue(request.param), clock)
