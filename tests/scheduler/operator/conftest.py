"""A working folder without any setting, the command line in it, and a campaign of which somebody is held."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from scheduler.cli.app import app
from tests.scheduler.operator.held_world import HeldWorld

Cli = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder; the settings and the zone of the machine that runs the tests do not show."""
    for name in os.environ:
        if name.startswith("CAMPAIGNS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CAMPAIGNS_TIMEZONE", "Europe/Rome")
    monkeypatch.setenv("LOGNAME", "ada")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(folder: Path) -> Cli:
    """The command line in this process: `cli("held", "spring-sale")`."""
    return lambda *arguments: CliRunner().invoke(app, list(arguments), prog_name="campaigns")


@pytest.fixture
def world(folder: Path) -> Iterator[HeldWorld]:
    """The campaign `spring-sale`, planned as a rehearsal and begun: three people in one batch, a fourth row invalid."""
    world = HeldWorld(folder)
    yield world
    world.close()
