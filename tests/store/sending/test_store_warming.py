"""What PostgreSQL has prepared stays prepared; with many campaigns, that shows in CPU time."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.store.store_world import NOW, World, people
from worker.store.engine import Store
from worker.store.migrate import migrate
from worker.store.notifications.outbox import announce_starts, due_news, taken
from worker.store.runs import runs
from worker.store.sending.claim import load_work
from worker.store.sending.warming import warm


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Store]:
    store = Store(postgres_url)
    migrate(store)
    yield store
    store.close()


def prepared(connection: sa.Connection) -> set[str]:
    """The statements that are prepared on this connection."""
    return set(connection.scalars(sa.text("SELECT statement FROM pg_prepared_statements")))


def test_statements_stay_prepared_after_reads(postgres: Store) -> None:
    for _ in range(3):
        with postgres.read() as session:
            assert load_work(session, 1) is None
    with postgres.read() as session:
        assert any("FROM batch JOIN run" in statement for statement in prepared(session.connection()))


def test_looks_and_short_writes_share_a_connection_whose_statements_stay_prepared(postgres: Store) -> None:
    for _ in range(3):
        with postgres.look() as connection:
            assert load_work(connection, 1) is None
        with postgres.write("unnamed", is_short=True) as session:
            assert load_work(session, 1) is None
    with postgres.look() as connection:
        known = prepared(connection)
    with postgres.write("unnamed", is_short=True) as session:
        assert known <= prepared(session.connection())
    assert any("FROM batch JOIN run" in statement for statement in known)


def test_a_warm_connection_has_the_statements_of_a_send(postgres: Store) -> None:
    warm(postgres, 2)

    with postgres.look() as first, postgres.look() as second:
        for connection in (first, second):
            known = prepared(connection)
            for beginning in ("UPDATE batch SET", "UPDATE recipient SET", "UPDATE attempt SET", "UPDATE account SET"):
                assert any(statement.startswith(beginning) for statement in known), beginning


def test_a_warm_connection_does_not_plan_a_send_anew(postgres: Store) -> None:
    warm(postgres, 1)

    with postgres.look() as connection:
        plans = connection.execute(
            sa.text("SELECT statement, generic_plans FROM pg_prepared_statements WHERE statement LIKE 'UPDATE%'")
        )
        assert {statement: generic for statement, generic in plans if not generic} == {}


def test_warming_and_counting_change_nothing(world: World) -> None:
    run_id = world.run(people(3))
    before = world.recipients(run_id), world.batches(run_id)

    warm(world.store, 2)
    world.store.renew_statistics()

    assert (world.recipients(run_id), world.batches(run_id)) == before
    (batch_id,) = world.batches(run_id)
    assert len(world.intent(batch_id).addressees) == 3


def test_runs_that_start_together_are_announced_once_and_spread_together(world: World) -> None:
    ids = [world.run(people(1, first=n), campaign=f"sale-{n}") for n in range(3)]
    with world.store.write() as session:
        for _ in range(2):
            announce_starts(session, ids, now=NOW)
        news = due_news(session, NOW)
        views = runs.run_views(session, ids)
        taken(session, *(each.id for each in news), now=NOW)
        left = due_news(session, NOW)

    assert [(each.event, each.run_id) for each in news] == [("run.started", id_) for id_ in ids]
    assert {id_: view.id for id_, view in views.items()} == {id_: id_ for id_ in ids}
    assert left == []
