"""A working folder, a sandbox gateway with a ledger, and the command line in this process or in one of its own."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from scheduler.cli.app import app
from tests.scheduler.again.again_world import Service
from worker.sandbox.options import Profile, SandboxOptions
from worker.sandbox.process import PrivateSandbox

Cli = Callable[..., Result]


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[PrivateSandbox]:
    """A gateway with fast phones, whose ledger is `ledger.jsonl`."""
    options = SandboxOptions(
        key="sandbox-test",
        ledger=tmp_path / "ledger.jsonl",
        profile=Profile.INTS,
        pace_per_second=500,
        delivery_max_seconds=0.4,
    )
    with PrivateSandbox.start(options) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, sandbox: PrivateSandbox, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with settings for that gateway and small times."""
    for name in os.environ:
        if name.startswith("CAMPAIGNS_"):
            monkeypatch.delenv(name)
    settings = {
        "GATEWAY_URL": sandbox.url,
        "API_KEY": sandbox.key,
        "TIMEZONE": "Europe/Rome",
        "DEVICE_RATE": "none",
        "SEND_BY_SECONDS": "2",
        "SETTLE_SECONDS": "2",
        "FIRST_POLL_SECONDS": "0.3",
        "MAX_POLL_SECONDS": "1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"CAMPAIGNS_{name}", value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(folder: Path) -> Cli:
    """The command line in this process: `cli("test", "sale.yaml", "--to", NUMBER)`."""
    return lambda *arguments: CliRunner().invoke(app, list(arguments), prog_name="campaigns")


@pytest.fixture
def service(folder: Path) -> Iterator[Service]:
    """`campaigns up` in a process of its own, not started yet."""
    service = Service(folder)
    yield service
    service.stop()
