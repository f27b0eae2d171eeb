"""A sandbox gateway with a ledger, settings for it, and a service in a process of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scheduler.again.again_world import Service
from tests.support.nursery import Sandbox
from worker.sandbox.running.options import Profile, SandboxOptions


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A gateway with fast phones, whose ledger is `ledger.jsonl`."""
    options = SandboxOptions(
        key="sandbox-test",
        ledger=tmp_path / "ledger.jsonl",
        profile=Profile.INTS,
        pace_per_second=500,
        delivery_max_seconds=0.4,
    )
    with Sandbox.start(options) as running:
        yield running


@pytest.fixture
def folder(folder: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with settings for that gateway and short times."""
    settings = {
        "GATEWAY_URL": sandbox.url,
        "API_KEY": sandbox.key,
        "DEVICE_RATE": "none",
        "SEND_BY_SECONDS": "2",
        "SETTLE_SECONDS": "2",
        "FIRST_POLL_SECONDS": "0.3",
        "MAX_POLL_SECONDS": "1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"CAMPAIGNS_{name}", value)
    return folder


@pytest.fixture
def service(folder: Path) -> Iterator[Service]:
    """`campaigns up` in a process of its own, not started yet."""
    service = Service(folder)
    yield service
    service.stop()
