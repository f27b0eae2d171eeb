"""What missed its moment, and what waits for its window: decided for all of a run at once, and only where it is due."""

from datetime import datetime, timedelta

import pytest

from campaigns.codes import RunType
from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.planning.planned import PlannedRecipient
from campaigns.timing.departures import Departure
from tests.store.store_world import NOW, World, people
from worker.store.runs import missed
from worker.store.sending import queue

MINUTE = timedelta(minutes=1)
R, B = RecipientState, BatchState


def leaving(
    how_many: int, *, first: int = 0, zones: str = "", at: datetime = NOW, latest: datetime | None = None
) -> list[PlannedRecipient]:
    return [row._replace(departure=Departure(zones, at, latest)) for row in people(how_many, first=first)]


@pytest.mark.parametrize(("to", "end"), [(R.SKIPPED, B.CANCELLED), (R.HELD, B.HELD)])
def test_only_what_is_late_and_not_under_way_is_ended(world: World, to: RecipientState, end: BatchState) -> None:
    # given a batch under way, one in the queue and one waiting that are late, one in time, and one that is never late
    late_ones = leaving(6, latest=NOW + MINUTE)
    run_id = world.run(
        [*late_ones, *leaving(2, first=10, latest=NOW + 3 * MINUTE), *leaving(2, first=20)], per_request=2
    )
    under_way, queued, waiting, in_time, never = world.batches(run_id)
    intent = world.intent(under_way)
    with world.store.write() as session:
        queue.queue_batches(session, [queued], now=NOW)
        assert missed.late_runs(session, world.account_id, NOW + MINUTE) == []
        now = NOW + 2 * MINUTE
        assert missed.late_runs(session, world.account_id, now) == [
            (run_id, world.run_definition(run_id), RunType.ONCE)
        ]
        assert missed.expire_late(session, run_id, to, reason="too late", now=now) == 4
        assert missed.late_runs(session, world.account_id, now) == []

    assert [world.batch_state(id_) for id_ in (under_way, queued, waiting, in_time, never)] == [
        B.SENDING,
        end,
        end,
        B.PLANNED,
        B.PLANNED,
    ]
    assert world.states(run_id) == {R.IN_DOUBT: 2, to: 4, R.PENDING: 4}
    assert {row.reason for row in world.recipients(run_id) if row.state is to} == {"too late"}
    # and what was under way is accepted as usual
    assert world.accept(intent, world.placed(intent))


def test_a_run_that_is_not_running_is_left_alone(world: World) -> None:
    world.run(leaving(2, latest=NOW), state=RunState.PAUSED)

    with world.store.read() as session:
        assert missed.late_runs(session, world.account_id, NOW + MINUTE) == []


def test_a_closed_window_puts_off_what_is_due_by_the_same_clocks(world: World) -> None:
    # given what is due in two zones, and what is due later in one of them
    rome, tokyo = "Europe/Rome", "Asia/Tokyo"
    rows = [
        *leaving(4, zones=rome),
        *leaving(2, first=10, zones=tokyo),
        *leaving(2, first=20, zones=rome, at=NOW + MINUTE),
    ]
    run_id = world.run(rows, per_request=2)

    with world.store.write() as session:
        assert queue.wait_for_opening(session, run_id, rome, until=NOW + 9 * MINUTE, now=NOW) == 2

    found = [(world.batch(id_).zones, world.batch(id_).not_before - NOW) for id_ in world.batches(run_id)]
    assert found == [(rome, 9 * MINUTE), (rome, 9 * MINUTE), (tokyo, timedelta()), (rome, MINUTE)]
    assert {world.batch(id_).moment for id_ in world.batches(run_id)[:3]} == {NOW}
    with world.store.read() as session:
        due = queue.due_batches(session, [run_id], now=NOW, most=5)[run_id]
    assert [(batch.id, batch.zones) for batch in due] == [(world.batches(run_id)[2], tokyo)]
