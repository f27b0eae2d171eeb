"""The version of a database, by which an idle service knows that nothing was committed since it looked."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import sqlalchemy as sa

from tests.store.store_world import World, new_run
from worker.store.engine import Store
from worker.store.errors import DatabaseLost, Loss
from worker.store.migrate import migrate
from worker.store.sending import accounts


def test_every_commit_changes_it_and_a_look_does_not(world: World) -> None:
    store, before = world.store, world.store.version()
    if not store.is_sqlite:
        assert before is None  # PostgreSQL has no such figure: every look is made
        return
    with store.read() as session:
        session.execute(sa.text("SELECT count(*) FROM run"))
    assert store.version() == before

    with store.write() as session:
        new_run(session, world.account_id, "spring")
    of_this_process = store.version()
    with closing(Store(str(store.url))) as other, other.write() as session:
        new_run(session, world.account_id, "autumn")

    assert len({before, of_this_process, store.version()}) == 3


@pytest.fixture
def on_file(sqlite_file: str) -> Iterator[Store]:
    """An SQLite file of its own."""
    with closing(Store(sqlite_file)) as store:
        migrate(store)
        yield store


def test_a_writer_at_work_is_not_waited_for(on_file: Store) -> None:
    before = on_file.version()
    with on_file.write() as session:
        accounts.ensure_account(session, "key")
        assert on_file.version() == before  # it holds the lock, and has committed nothing yet
    assert on_file.version() != before


def test_a_lost_database_has_none(on_file: Store) -> None:
    assert on_file.version() is not None
    on_file.lose(Loss.ANOTHER)
    with pytest.raises(DatabaseLost):
        on_file.version()


def test_each_connection_counts_for_itself(on_file: Store) -> None:
    first = on_file.version()
    on_file.close()
    assert on_file.version() not in {first, None}
