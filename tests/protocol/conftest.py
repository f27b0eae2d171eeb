"""A bench for each test, on a copy of one migrated database file."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.protocol.bench import Bench
from tests.support.clocks import FakeClock
from worker.store.engine import Store
from worker.store.migrate import migrate


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "campaigns.db"
    store = Store(f"sqlite:///{path}")
    migrate(store)
    store.close()  # the last connection folds the write-ahead log into the file
    return path


@pytest.fixture
def bench(tmp_path: Path, migrated_file: Path, clock: FakeClock) -> Iterator[Bench]:
    database = tmp_path / "campaigns.db"
    shutil.copy(migrated_file, database)
    made = Bench(tmp_path, f"sqlite:///{database}", clock)
    yield made
    made.close()
