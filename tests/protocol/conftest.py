"""A bench for each test. They share one database file, which each test leaves empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.protocol.world.harness import Installation
from tests.protocol.world.sandbox_gateway import SandboxGateway
from tests.store.store_world import empty, what_is_kept_is_what_the_rows_say
from tests.support.clocks import FakeClock
from tests.support.shared_postgres import SharedPostgres
from worker.store.engine import Store
from worker.store.migrate import migrate


@pytest.fixture(scope="session")
def sqlite_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for all tests of a process: SQLAlchemy prepares each statement once, not once per test (0.2 s)."""
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('bench') / 'campaigns.db'}")
    migrate(store)
    yield store
    store.close()


@pytest.fixture(scope="session")
def postgres_store(shared_postgres: SharedPostgres) -> Iterator[Store]:
    """The same on PostgreSQL."""
    name = shared_postgres.create_migrated()
    store = Store(shared_postgres.url(name))
    yield store
    store.close()
    shared_postgres.drop_database(name)


@pytest.fixture
def bench(tmp_path: Path, sqlite_store: Store, clock: FakeClock) -> Iterator[Installation]:
    yield from _bench(tmp_path, sqlite_store, clock)


@pytest.fixture(params=["sqlite_store", "postgres_store"])
def bench_on_both(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Installation]:
    """A bench on each database in turn, for cases in which their SQL could differ."""
    yield from _bench(tmp_path, request.getfixturevalue(request.param), clock)


def _bench(
    folder: Path, store: Store, clock: FakeClock, sandbox: SandboxGateway | None = None
) -> Iterator[Installation]:
    made = Installation(folder, store, clock, sandbox=sandbox)
    yield made
    made.close()
    try:
        what_is_kept_is_what_the_rows_say(store)
    finally:
        empty(store)


@pytest.fixture
def sandbox(clock: FakeClock) -> Iterator[SandboxGateway]:
    """A sandbox on the bench's clock, whose phones deliver ten minutes after they sent."""
    made = SandboxGateway(clock, pace_per_second=1_000.0, delivery_min_seconds=600.0, delivery_max_seconds=600.0)
    yield made
    made.close()


@pytest.fixture
def bench_with_sandbox(
    tmp_path: Path, sqlite_store: Store, clock: FakeClock, sandbox: SandboxGateway
) -> Iterator[Installation]:
    """A bench whose gateway is a sandbox."""
    yield from _bench(tmp_path, sqlite_store, clock, sandbox)


@pytest.fixture
def known(bench: Installation) -> Installation:
    """A bench whose account has sent before, so that reads can be checked against that message."""
    bench.finish(bench.campaign(1, name="before", first=900))
    return bench
