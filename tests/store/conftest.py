"""One suite, two databases: every test of the store runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import SQLModel

from tests.store.store_world import World
from tests.support.shared_postgres import SharedPostgres
from worker.store.engine import Store
from worker.store.kept.phones import phones_unlike_rows
from worker.store.migrate import migrate
from worker.store.money.spending import unlike_charges
from worker.store.people.run_answers import answers_unlike_rows
from worker.store.reports.counts import counts_unlike_rows


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


def empty(store: Store) -> None:
    """Delete everything but the schema."""
    with store.write() as session:
        for table in reversed(SQLModel.metadata.sorted_tables):
            session.execute(table.delete())


@pytest.fixture
def store(database: Store) -> Iterator[Store]:
    """The database, empty."""
    yield database
    try:
        counts_are_those_of_the_rows(database)
        with database.read() as session:
            assert unlike_charges(session) == {}
    finally:
        empty(database)
    counts_are_those_of_the_rows(database)


def counts_are_those_of_the_rows(store: Store) -> None:
    with store.read() as session:
        assert counts_unlike_rows(session) == {}
        assert phones_unlike_rows(session) == {}
        assert answers_unlike_rows(session) == set()


@pytest.fixture
def world(store: Store) -> World:
    """The database with an account, and short helpers for what tests do with runs."""
    return World(store)


@pytest.fixture
def sqlite_file(tmp_path: Path) -> str:
    """The address of a database file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'new' / 'campaigns.db'}"
