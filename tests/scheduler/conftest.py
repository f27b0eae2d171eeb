"""What the tests of commands share: a working folder in which no setting of the machine shows, and the command line."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from scheduler.cli.app import app

Cli = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder; neither settings nor zone of the machine that runs the tests show."""
    for name in os.environ:
        if name.startswith("CAMPAIGNS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CAMPAIGNS_TIMEZONE", "Europe/Rome")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(folder: Path) -> Cli:
    """The command line in this process: `cli("held", "spring-sale")`."""
    return lambda *arguments, **more: CliRunner().invoke(app, list(arguments), prog_name="campaigns", **more)
