"""A campaign with somebody held, in the working folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.scheduler.operator.held_world import HeldWorld


@pytest.fixture
def folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of somebody whose name is known: it appears in their decisions."""
    monkeypatch.setenv("LOGNAME", "ada")
    return folder


@pytest.fixture
def world(folder: Path, migrated: Callable[[Path], None]) -> Iterator[HeldWorld]:
    """The campaign `spring-sale`, planned as a rehearsal and begun: three people in a batch, a fourth row invalid."""
    migrated(folder)
    world = HeldWorld(folder)
    yield world
    world.close()
