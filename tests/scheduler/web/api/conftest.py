"""A front door whose database has a campaign, and callers with every kind of token. Made once for a module."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from campaigns.access import Scope
from tests.scheduler.web.api.api_caller import Caller, Callers
from tests.scheduler.web.caller import Door
from tests.scheduler.web.conftest import runtime_of
from tests.store.store_world import World
from tests.support.shared_postgres import SharedPostgres
from worker.runtime import Runtime


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def api_runtime(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, migrated: Callable[[Path], None]
) -> Iterator[Runtime]:
    yield from installed(request, tmp_path_factory.mktemp("api"), migrated)


def installed(request: pytest.FixtureRequest, folder: Path, migrated: Callable[[Path], object]) -> Iterator[Runtime]:
    """A runtime on an empty database of the kind that the fixture's parameter names."""
    (folder / "privacy.key").write_text("0123456789abcdef" * 4)
    more = {"inbox": folder / "inbox", "api_rate": 10_000, "allow_private_webhooks": True}
    more["privacy_key_file"] = folder / "privacy.key"
    if request.param == "sqlite":
        migrated(folder)
        made = runtime_of(f"sqlite:///{folder / 'campaigns.db'}", **more)
        yield made
        made.close()
        return
    shared: SharedPostgres = request.getfixturevalue("shared_postgres")
    name = shared.create_migrated()
    made = runtime_of(shared.url(name), **more)
    try:
        yield made
    finally:
        made.close()
        shared.drop_database(name)


@pytest.fixture(scope="module")
def world(api_runtime: Runtime) -> World:
    return World(api_runtime.store)


@pytest.fixture(scope="module")
def callers(api_runtime: Runtime) -> Iterator[Callers]:
    """Somebody for each set of scopes."""
    with Door(api_runtime) as door:
        yield Callers(api_runtime, door.url)


@pytest.fixture(scope="module")
def reader(callers: Callers) -> Caller:
    """Somebody who may read, with numbers masked."""
    return callers.with_scopes(Scope.READ)


@pytest.fixture(scope="module")
def operator(callers: Callers) -> Caller:
    """Somebody who may also see numbers and texts."""
    return callers.with_scopes(Scope.READ, Scope.READ_NUMBERS)


@pytest.fixture(scope="module")
def admin(callers: Callers) -> Caller:
    """Somebody who may do everything."""
    return callers.with_scopes(Scope.ADMIN)
