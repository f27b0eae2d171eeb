"""A replica shows all that was committed before, or is not read."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial

import pytest
import sqlalchemy as sa

from tests.store.store_world import NOW
from tests.support.servers import StandbyServer
from worker.servers.conditions import Trouble
from worker.servers.troubles import Troubles
from worker.store.engine import Store
from worker.store.errors import StoreError
from worker.store.migrate import migrate
from worker.store.relocation.installation import ensure_installation
from worker.store.sending import accounts

WAIT_SECONDS = 30.0
IS_STANDBY = sa.text("SELECT pg_is_in_recovery()")


@pytest.fixture
def database(standby_server: StandbyServer) -> Iterator[str]:
    """The name of a database of ours on the primary, and so on the standby."""
    standby_server.primary.start()
    standby_server.start()
    name = made_on(standby_server)
    yield name
    standby_server.start()
    standby_server.run("pg_wal_replay_resume")
    standby_server.primary.drop_database(name)


def made_on(standby: StandbyServer) -> str:
    name = standby.primary.create_database()
    with closing(Store(standby.primary.url(name))) as store:
        migrate(store)
        with store.write() as session:
            ensure_installation(session, now=NOW)
    return name


@contextmanager
def opened(url: str, replica_url: str, troubles: Troubles | None = None) -> Iterator[Store]:
    with closing(Store(url, replica_url, troubles)) as store:
        yield store


@pytest.fixture
def store(standby_server: StandbyServer, database: str) -> Iterator[Store]:
    with opened(standby_server.primary.url(database), standby_server.url(database)) as made:
        await_(lambda: reads_replica(made))
        yield made


def await_(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def reads_replica(store: Store) -> bool:
    with store.from_replica().read() as session:
        return bool(session.execute(IS_STANDBY).scalar())


def trouble_of(store: Store) -> Trouble | None:
    assert store.replica is not None
    return store.replica.trouble.trouble if store.replica.trouble else None


def is_wrong(store: Store, detail: str) -> bool:
    assert store.replica is not None
    found = None if reads_replica(store) else store.replica.trouble
    return found is not None and (found.trouble, found.detail) == (Trouble.REPLICA_WRONG, detail)


def commit(store: Store, key: str) -> None:
    with store.write() as session:
        accounts.ensure_account(session, key)


def shows(store: Store, key: str) -> bool:
    with store.look() as connection:
        return bool(connection.execute(sa.text("SELECT 1 FROM account WHERE key = :key"), {"key": key}).scalar())


def test_a_replica_shows_what_any_process_committed_before(
    store: Store, standby_server: StandbyServer, database: str
) -> None:
    with closing(Store(standby_server.primary.url(database))) as other:
        for place in range(50):
            commit(other, f"account {place}")
            view = store.from_replica()
            assert shows(view, f"account {place}")
            with view.look() as connection:
                assert connection.execute(IS_STANDBY).scalar()
    assert trouble_of(store) is None


def test_what_works_without_asking_for_it_never_reads_the_replica(store: Store) -> None:
    for reading in (store.read, store.look, store.write):
        with reading() as session:
            assert not session.execute(IS_STANDBY).scalar()


def test_who_wrote_reads_the_primary(store: Store) -> None:
    view = store.from_replica()
    commit(view, "mine")

    with view.read() as session:
        assert not session.execute(IS_STANDBY).scalar()
    assert shows(view, "mine")
    assert reads_replica(store)


@pytest.mark.long
def test_a_replica_that_is_behind_is_passed_by_until_it_has_caught_up(
    store: Store, standby_server: StandbyServer
) -> None:
    # given a replica that replays nothing
    standby_server.run("pg_wal_replay_pause")
    commit(store, "new")
    # then the primary shows what was committed, and so does all that is read of the same page
    view = store.from_replica()
    assert shows(view, "new")
    assert trouble_of(store) is Trouble.REPLICA_BEHIND
    assert (store.replica_lag_seconds(), reads_replica(store)) == (None, False)
    # and it is read again once it goes on
    standby_server.run("pg_wal_replay_resume")
    await_(lambda: reads_replica(store))
    assert trouble_of(store) is None
    assert store.replica_lag_seconds() == 0
    with view.read() as session:
        assert not session.execute(IS_STANDBY).scalar()


@pytest.mark.long
def test_a_replica_that_is_away_is_passed_by_until_it_is_back(standby_server: StandbyServer, database: str) -> None:
    troubles = Troubles()
    with opened(standby_server.primary.url(database), standby_server.url(database), troubles) as store:
        commit(store, "old")
        await_(lambda: reads_replica(store) and troubles.current() == ())
        view = store.from_replica()
        # when it goes away in the middle of a page
        with suppress(sa.exc.OperationalError), view.read() as session:
            standby_server.stop()
            session.execute(IS_STANDBY)
            raise AssertionError("it still answers")
        # then the next look of the page, and other pages, read the primary
        assert shows(view, "old")
        assert not reads_replica(store)
        assert [trouble for trouble, _ in troubles.current()] == [Trouble.REPLICA_AWAY]
        # until it is back
        standby_server.start()
        await_(lambda: reads_replica(store))
        await_(lambda: reads_replica(store) and troubles.current() == ())


def test_only_a_replica_of_the_same_database_is_read(standby_server: StandbyServer, database: str) -> None:
    primary = standby_server.primary
    empty, another = primary.create_database(), made_on(standby_server)
    try:
        for replica_url, detail in (
            (primary.url(database), "it is not a standby"),
            (standby_server.url(another), "it belongs to another database"),
            (standby_server.url(empty), "it has no campaigns"),
        ):
            with opened(primary.url(database), replica_url) as store:
                await_(partial(is_wrong, store, detail))
    finally:
        primary.drop_database(empty)
        primary.drop_database(another)


@pytest.mark.long
def test_a_replica_that_follows_the_old_primary_after_a_fail_over_is_not_read(
    standby_server: StandbyServer, database: str
) -> None:
    # given that a second standby took over, and the first one went on with the old primary
    promoted = StandbyServer(standby_server.primary)
    try:
        promoted.start()
        promoted.run("pg_promote")
        with closing(Store(standby_server.primary.url(database))) as old:
            for place in range(20):
                commit(old, f"lost {place}")
        # then the first one shows what the new primary never had, and is not read, though its log is longer
        with opened(promoted.url(database), standby_server.url(database)) as store:
            assert not shows(store.from_replica(), "lost 19")
            assert trouble_of(store) is Trouble.REPLICA_BEHIND
    finally:
        promoted.close()


@pytest.mark.parametrize(
    ("url", "replica_url", "sentence"),
    [
        (
            "sqlite:///campaigns.db",
            "postgresql://replica/campaigns",
            "CAMPAIGNS_READ_DATABASE_URL is set, but SQLite has no replicas: remove it, or use PostgreSQL",
        ),
        (
            "postgresql://primary/campaigns",
            "sqlite:///campaigns.db",
            "CAMPAIGNS_READ_DATABASE_URL must name a replica of a PostgreSQL database",
        ),
        (
            "postgresql://primary/campaigns",
            "replica",
            "CAMPAIGNS_READ_DATABASE_URL is not a database address; use postgresql+psycopg://...",
        ),
    ],
)
def test_an_address_that_cannot_be_a_replica_is_refused(url: str, replica_url: str, sentence: str) -> None:
    with pytest.raises(StoreError) as refused:
        Store(url, replica_url)
    assert str(refused.value) == sentence
