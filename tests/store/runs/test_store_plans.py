"""Plans in the database: what was planned is what is stored, and what is read back."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.planning.batching import BatchLimits, into_batches
from campaigns.planning.planned import PlannedRecipient
from tests.store.store_world import NOW, World, new_run, people
from worker.store import bulk
from worker.store.models import Recipient
from worker.store.reports import counts
from worker.store.reports.person import batches_looked_up
from worker.store.runs import plans, runs
from worker.store.runs.held import held_people
from worker.store.tables import SOURCE

MIXED = [
    *people(4, segments=2),
    PlannedRecipient("12", 5, "people.csv", 6, RecipientState.INVALID, "row 6 of people.csv: too short"),
    PlannedRecipient("+393330000001", 6, "people.csv", 7, RecipientState.DUPLICATE, "same number as row 3"),
    *people(3, first=50),
    *people(1, first=90, state=RecipientState.EXCLUDED),
]


def as_planned(row: Recipient, source: str) -> PlannedRecipient:
    return PlannedRecipient(row.number, row.occurrence, source, row.line, row.state, row.reason, row.text, row.segments)


# More rows than a statement of SQLite has, the last ones a remainder, and batches that are inserted in bulk.
MANY = [row._replace(line=n + 2) for n, row in enumerate(people(2 * bulk.PARAMETERS // len(plans.COLUMNS) + 3))]


@pytest.mark.parametrize(("planned", "chunk_rows"), [(MIXED, 3), (MIXED, 20_000), (MANY, 20_000), (MANY, 50)])
def test_what_was_planned_is_stored_in_order_and_in_its_batches(
    world: World, planned: list[PlannedRecipient], chunk_rows: int
) -> None:
    chunks = list(into_batches(planned, BatchLimits(3, 5), chunk_rows=chunk_rows))
    with world.store.write() as session:
        run_id = new_run(session, world.account_id, "sale")
        for chunk in chunks:
            plans.insert_chunk(session, run_id, chunk)

    # then every row is there as it was planned
    rows = world.recipients(run_id)
    sources = world.of_recipients(run_id, SOURCE)
    assert list(map(as_planned, rows, sources)) == [row._replace(departure=None) for row in planned]
    # and is in the batch of its ordinal, whose totals are right
    batches = {id_: world.batch(id_) for id_ in world.batches(run_id)}
    ordinals = [ordinal for chunk in chunks for _, ordinal in chunk]
    assert [None if row.batch_id is None else batches[row.batch_id].ordinal for row in rows] == ordinals
    for id_, batch in batches.items():
        members = [row for row in rows if row.batch_id == id_]
        assert (batch.recipients, batch.segments) == (len(members), sum(row.segments for row in members))
        assert (batch.state, batch.moment, batch.not_before, batch.latest) == (BatchState.PLANNED, NOW, NOW, None)


def test_a_number_counts_once_in_a_run(world: World) -> None:
    run_id = world.run(people(3))

    with pytest.raises(IntegrityError) as caught, world.store.write() as session:
        plans.insert_chunk(session, run_id, [(people(1)[0], None)])
    assert "+39333" not in str(caught.value)  # it may end up in a log
    # but in another run it counts again
    world.run(people(3), campaign="summer-sale")


def test_the_books_add_up_to_the_audience(world: World) -> None:
    run_id = world.run(MIXED)

    with world.store.read() as session:
        books = counts.books(session, run_id)
    assert books.by_state == Counter(row.state for row in MIXED)
    assert (books.audience, books.segments, books.send_requests) == (len(MIXED), 0, 0)


def test_counting_the_books_sorts_nobody(world: World) -> None:
    """SQLite keeps all that it sorts in memory: every row of the run. What is kept is looked at instead."""
    run_id = world.run(people(3))
    asked: list[tuple[str, Any]] = []
    with world.store.read() as session:
        connection = session.connection()
        if not world.store.is_sqlite:
            return  # its aggregates need no order
        sa.event.listen(connection, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
        counts.books(session, run_id)
        plans_of = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values) for query, values in asked[:]]
        steps = [str(row[-1]) for plan in plans_of for row in plan]
    assert [step for step in steps if "TEMP B-TREE" in step] == []
    assert any("run_count" in step for step in steps)
    assert not any("recipient" in step for step in steps)


def test_who_is_held_is_found_without_reading_the_run(world: World) -> None:
    run_id = world.run(people(3))
    asked: list[tuple[str, Any]] = []
    with world.store.read() as session:
        connection = session.connection()
        if not world.store.is_sqlite:
            return  # it takes what is cheapest for the few rows of a test
        sa.event.listen(connection, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
        assert held_people(session, run_id) == []
        [(query, values)] = asked[:]
        steps = [str(row[-1]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values)]
    assert [step for step in steps if "ix_recipient_held" in step] == steps


def test_what_is_in_doubt_is_counted_without_reading_other_requests(world: World) -> None:
    asked: list[tuple[str, Any]] = []
    with world.store.read() as session:
        connection = session.connection()
        if not world.store.is_sqlite:
            return  # it takes what is cheapest for the few rows of a test
        sa.event.listen(connection, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
        assert batches_looked_up(session, world.account_id) == 0
        [(query, values)] = asked[:]
        steps = [str(row[-1]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values)]
    assert any("ix_batch_state" in step for step in steps)


def test_segments_and_requests_are_counted_once_they_are_used(world: World) -> None:
    run_id = world.run(people(4, segments=2), per_request=2)
    first = world.intent(world.batches(run_id)[0])
    world.accept(first, world.placed(first))
    world.intent(world.batches(run_id)[1])

    with world.store.read() as session:
        books = counts.books(session, run_id)
    assert (books.segments, books.send_requests) == (4, 2)


def test_a_plan_is_made_anew_as_long_as_nothing_was_sent(world: World) -> None:
    run_id = world.run(MIXED, state=RunState.SCHEDULED)
    view = view_of(world, run_id)

    with world.store.write() as session:
        assert plans.clear_plan(
            session,
            run_id,
            definition_id=view.definition_id,
            starts_at=NOW + timedelta(hours=1),
            follow_seconds=60,
            kind="marketing",
        )
        plans.insert_chunk(session, run_id, [(people(1)[0], 0)])

    assert len(world.recipients(run_id)) == len(world.batches(run_id)) == 1
    again = view_of(world, run_id)
    assert (again.state, again.planned_at, again.follow_seconds) == (RunState.SCHEDULED, None, 60)


def test_a_plan_is_fixed_from_the_first_intent_on(world: World) -> None:
    run_id = world.run(MIXED)
    world.intent(world.batches(run_id)[0])
    view = view_of(world, run_id)

    with world.store.write() as session:
        assert runs.has_sent(session, run_id)
        assert not plans.clear_plan(
            session, run_id, definition_id=view.definition_id, starts_at=NOW, follow_seconds=60, kind="marketing"
        )

    assert len(world.recipients(run_id)) == len(MIXED)


def view_of(world: World, run_id: int) -> runs.RunView:
    with world.store.read() as session:
        return runs.run_view(session, run_id)
