"""One suite, two databases: every test of the store runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.store_world import World, empty, what_is_kept_is_what_the_rows_say
from tests.support.shared_postgres import SharedPostgres
from worker.store.engine import Store
from worker.store.migrate import migrate


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A migrated database for each process; its tests find it empty (`store`)."""
    if request.param == "sqlite":
        yield from _migrated(f"sqlite:///{tmp_path_factory.mktemp('store') / 'campaigns.db'}")
        return
    shared: SharedPostgres = request.getfixturevalue("shared_postgres")
    name = shared.create_migrated()
    try:
        yield from _migrated(shared.url(name))
    finally:
        shared.drop_database(name)


def _migrated(url: str) -> Iterator[Store]:
    store = Store(url)
    migrate(store)
    try:
        yield store
    finally:
        store.close()


@pytest.fixture
def store(database: Store) -> Iterator[Store]:
    """The database, empty."""
    yield database
    try:
        what_is_kept_is_what_the_rows_say(database)
    finally:
        empty(database)
    what_is_kept_is_what_the_rows_say(database)


@pytest.fixture
def world(store: Store) -> World:
    """The database with an account, and short helpers for what tests do with runs."""
    return World(store)


@pytest.fixture
def sqlite_file(tmp_path: Path) -> str:
    """The address of a database file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'new' / 'campaigns.db'}"
