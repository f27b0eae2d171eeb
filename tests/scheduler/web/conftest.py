"""A front door on this machine, with its own database behind it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.scheduler.web.caller import KEY, Door
from worker.building import build_runtime
from worker.runtime import Runtime
from worker.settings.settings import Settings


def runtime_of(database_url: str, **more: object) -> Runtime:
    """The runtime of a sandbox that nobody calls: replies arrive only through the door."""
    set_ = {"timezone": "UTC", "region": "IT", **more}
    settings = Settings(database_url=database_url, _env_file=None, **set_)  # type: ignore[arg-type]  # whatever a test sets
    return build_runtime(settings, sandbox=("http://127.0.0.1:9", SecretStr(KEY)))


@pytest.fixture
def runtime(tmp_path: Path, migrated: Callable[[Path], None]) -> Iterator[Runtime]:
    migrated(tmp_path)
    made = runtime_of(f"sqlite:///{tmp_path / 'campaigns.db'}", webhook_keys=SecretStr("older, oldest"))
    yield made
    made.close()


@pytest.fixture
def door(runtime: Runtime) -> Iterator[Door]:
    with Door(runtime) as made:
        yield made
