"""An inbox that nothing was dropped into yet."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scheduler.inbox.inbox_world import DATABASE, InboxWorld


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrated once: that takes longer than most of the tests."""
    folder = tmp_path_factory.mktemp("empty")
    InboxWorld(folder).close()
    return folder / DATABASE


@pytest.fixture
def world(tmp_path: Path, empty_database: Path) -> Iterator[InboxWorld]:
    shutil.copy(empty_database, tmp_path)
    world = InboxWorld(tmp_path)
    yield world
    world.close()
