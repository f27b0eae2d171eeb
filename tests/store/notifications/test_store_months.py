"""PostgreSQL keeps some tables by months, and lets whole months go."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import worker.store
from worker.servers.conditions import Trouble, trouble_of
from worker.store.engine import Store
from worker.store.kept import months
from worker.store.migrate import migrate, schema_change
from worker.store.tables import calls_out

NOW = datetime(2027, 1, 20, 12, tzinfo=UTC)
BEFORE = "0016"
OURS = ["call_out_2027_02", "call_out_2027_03", "call_out_default", "call_out_until_2027_02"]


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    """A database as it was before there were months."""
    with closing(Store(postgres_url)) as made:
        config = Config()
        config.set_main_option("script_location", str(Path(worker.store.__file__).parent / "migrations"))
        with schema_change(made) as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, BEFORE)
        yield made


def call(store: Store, at: datetime) -> int:
    values = {"notice_id": 1, "at": at, "channel": "webhook", "event": "reply", "seconds": 0.1}
    with store.write() as session:
        return int(session.scalars(sa.insert(calls_out).values(values).returning(calls_out.c.id)).one())


def at(year: int, month: int, day: int = 15) -> datetime:
    return datetime(year, month, day, 12, tzinfo=UTC)


def partitions(store: Store) -> list[str]:
    with store.engine.connect() as connection:
        return sorted(filter(months.is_partition, sa.inspect(connection).get_table_names()))


def rows(store: Store, table: str = "call_out") -> list[int]:
    with store.read() as session:
        return list(session.scalars(sa.text(f"SELECT id FROM {table} ORDER BY id")))


def by_months(store: Store) -> Store:
    with store.engine.begin() as connection:
        months.install(connection, NOW)
    return store


def make_ahead(store: Store, now: datetime) -> int:
    with store.write() as session:
        return months.make_ahead(session, "call_out", now)


def drop_before(store: Store, before: datetime) -> list[str]:
    with store.read() as session:
        old = months.older_than(session, "call_out", before)
    for name in old:
        with store.write() as session:
            months.drop(session, name)
    return old


def test_the_migration_keeps_every_row_and_goes_on_counting(store: Store) -> None:
    before = [call(store, moment) for moment in (at(2020, 1), at(2026, 12), datetime.now(UTC))]

    migrate(store)

    assert rows(store) == before
    assert call(store, datetime.now(UTC)) == before[-1] + 1
    assert call(store, at(2099, 1)) == before[-1] + 2
    assert rows(store, "call_out_default") == [before[-1] + 2]
    assert len(partitions(store)) == len(OURS)


def test_rows_of_the_future_do_not_stop_the_migration(store: Store) -> None:
    ahead = call(store, at(2031, 5))
    by_months(store)
    assert rows(store, "call_out_until_2031_06") == [ahead]
    assert make_ahead(store, NOW) == 0


def test_months_are_made_ahead_and_what_came_before_them_moves_in(store: Store) -> None:
    by_months(store)
    assert partitions(store) == OURS
    # given a service that was off for months, while other processes went on
    early = [call(store, at(2027, 7, day)) for day in (1, 31)]
    late = call(store, at(2027, 10))
    assert rows(store, "call_out_default") == [*early, late]
    # when it is back
    assert make_ahead(store, at(2027, 7)) == 3
    # then
    assert rows(store, "call_out_2027_07") == early
    assert rows(store, "call_out_default") == [late]
    assert make_ahead(store, at(2027, 7)) == 0
    assert call(store, at(2027, 4)) in rows(store, "call_out_default")


def test_a_month_goes_once_all_of_it_is_old(store: Store) -> None:
    old, new = call(store, at(2026, 3)), call(by_months(store), at(2027, 2, 1))

    assert drop_before(store, at(2027, 1, 31)) == []
    assert drop_before(store, at(2027, 2, 28)) == ["call_out_until_2027_02"]
    assert rows(store) == [new]
    assert drop_before(store, at(2027, 3, 1)) == ["call_out_2027_02"]
    assert rows(store) == []
    assert call(store, at(2026, 3)) > old
    assert len(rows(store, "call_out_default")) == 1


@pytest.mark.long
def test_a_month_in_use_is_left_for_later_and_nobody_waits_for_long(store: Store) -> None:
    call(by_months(store), at(2026, 3))
    # given somebody who reads the table in a long transaction
    with store.read() as reading:
        reading.execute(sa.select(calls_out)).all()
        # then dropping gives up, and what is written meanwhile is written
        with pytest.raises(sa.exc.OperationalError) as busy:
            drop_before(store, at(2027, 2, 28))
        assert trouble_of(busy.value) is Trouble.DATABASE_SLOW
        assert call(store, NOW)
    assert len(rows(store)) == 2
    assert drop_before(store, at(2027, 2, 28)) == ["call_out_until_2027_02"]
