"""What the tests of commands share: a working folder that hides the machine's settings, and the command line."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from scheduler.cli.app import app
from worker.store.engine import Store
from worker.store.migrate import migrate

Cli = Callable[..., Result]
DATABASE = "campaigns.db"


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], object]:
    """A function that puts a migrated, empty database into a folder; made once, as it takes longer than most tests."""
    original = tmp_path_factory.mktemp("migrated") / DATABASE
    store = Store(f"sqlite:///{original}")
    migrate(store)
    store.close()
    return lambda folder: shutil.copy(original, folder / DATABASE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, isolated from the settings and the zone of the machine that runs the tests."""
    for name in os.environ:
        if name.startswith("CAMPAIGNS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CAMPAIGNS_TIMEZONE", "Europe/Rome")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(folder: Path) -> Cli:
    """Return the command line in this process: `cli("held", "spring-sale")`."""
    return lambda *arguments, **more: CliRunner().invoke(app, list(arguments), prog_name="campaigns", **more)
