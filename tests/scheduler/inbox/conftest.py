"""An inbox into which nothing has been dropped yet."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.scheduler.inbox.inbox_world import InboxWorld


@pytest.fixture
def world(tmp_path: Path, migrated: Callable[[Path], None]) -> Iterator[InboxWorld]:
    migrated(tmp_path)
    world = InboxWorld(tmp_path)
    yield world
    world.close()
