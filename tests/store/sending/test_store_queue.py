"""What is due, what is queued, and what comes back."""

from datetime import timedelta

import sqlalchemy as sa
from sqlmodel import col

from campaigns.codes import PausedBy, WaitsFor
from campaigns.lifecycle import BatchState, RunState
from tests.store.store_world import NOW, SOON, World, people
from tests.support.queueing import queue_due
from worker.store.models import Batch
from worker.store.sending import accounts, queue
from worker.store.sending.claim import load_work
from worker.store.sending.outcome import mark_unknown
from worker.store.sending.queue import DOUBTS_PER_ACCOUNT, QUEUED_TOO_LONG, Demand, Due


def queued(world: World, run_id: int, *, room: int = 100, minutes: float = 0) -> list[int]:
    with world.store.write() as session:
        return queue_due(session, run_id, now=NOW + timedelta(minutes=minutes), room=room)


def drainable(world: World) -> list[int]:
    with world.store.read() as session:
        return [run_id for run_id, _ in queue.drainable_runs(session, world.account_id)]


def test_due_batches_are_queued_once_and_in_order_while_there_is_room(world: World) -> None:
    run_id = world.run(people(10), per_request=2)
    ids = world.batches(run_id)

    assert queued(world, run_id, room=2) == ids[:2]
    assert queued(world, run_id, room=2) == []
    assert queued(world, run_id, room=3) == ids[2:3]
    assert [world.batch_state(id_) for id_ in ids] == [BatchState.QUEUED] * 3 + [BatchState.PLANNED] * 2


def test_a_snooze_waits_and_is_no_attempt(world: World) -> None:
    run_id = world.run(people(2))
    (id_,) = queued(world, run_id)
    with world.store.write() as session:
        queue.snooze_batch(session, id_, until=NOW + timedelta(minutes=5), waits_for=WaitsFor.WINDOW)

    batch = world.batch(id_)
    assert (batch.state, batch.attempt, batch.waits_for) == (BatchState.PLANNED, 0, WaitsFor.WINDOW)
    assert queued(world, run_id) == []
    assert queued(world, run_id, minutes=4) == []
    assert queued(world, run_id, minutes=5) == [id_]
    with world.store.read() as session:
        assert load_work(session, id_) is not None


def test_a_snooze_that_comes_late_takes_nothing_back(world: World) -> None:
    # given a batch that another worker is already sending
    run_id = world.run(people(2))
    (id_,) = queued(world, run_id)
    world.intent(id_)

    with world.store.write() as session:
        queue.snooze_batch(session, id_, until=SOON, waits_for=WaitsFor.THROTTLE)

    assert world.batch_state(id_) is BatchState.SENDING


def test_a_job_that_nobody_took_is_queued_again(world: World) -> None:
    run_id = world.run(people(4), per_request=2)
    lost, sent = queued(world, run_id)
    world.intent(sent)

    late = NOW + QUEUED_TOO_LONG
    with world.store.write() as session:
        assert not queue.any_lost(session, late - timedelta(seconds=1))
        assert queue.requeue_lost(session, late - timedelta(seconds=1)) == 0
        assert queue.any_lost(session, late)
        assert queue.requeue_lost(session, late) == 1

    assert world.batch_state(lost) is BatchState.PLANNED
    assert world.batch_state(sent) is BatchState.SENDING
    assert queued(world, run_id, minutes=1) == [lost]


def test_the_queue_of_a_process_that_ended_is_given_back(world: World) -> None:
    mine, other = world.run(people(2)), world.run(people(2, first=10), campaign="other")
    queued(world, mine)
    queued(world, other)

    with world.store.write() as session:
        assert queue.requeue_runs(session, [mine]) == 1
        assert queue.requeue_runs(session, []) == 0

    assert world.batch_state(world.batches(mine)[0]) is BatchState.PLANNED
    assert world.batch_state(world.batches(other)[0]) is BatchState.QUEUED


def test_only_running_runs_are_drained(world: World) -> None:
    ids = {
        state: world.run(people(1, first=place), campaign=state.value.replace("_", "-"), state=state)
        for place, state in enumerate(RunState)
    }

    assert drainable(world) == [ids[RunState.RUNNING]]


def test_nothing_is_drained_while_the_account_is_paused(world: World) -> None:
    run_id = world.run(people(1))
    with world.store.write() as session:
        accounts.pause_account(session, world.account_id, PausedBy.GATEWAY, "no credits", now=NOW, probe_at=SOON)

    assert drainable(world) == []
    with world.store.write() as session:
        assert accounts.resume_account(session, world.account_id)
        assert not accounts.resume_account(session, world.account_id)
    assert drainable(world) == [run_id]


def test_nothing_is_drained_while_too_much_is_in_doubt(world: World) -> None:
    run_id = world.run(people(DOUBTS_PER_ACCOUNT + 1), per_request=1)
    for doubts, id_ in enumerate(world.batches(run_id)[:DOUBTS_PER_ACCOUNT]):
        assert drainable(world) == [run_id], f"with {doubts} in doubt"
        intent = world.intent(id_)
        with world.store.write() as session:
            mark_unknown(session, intent, outcome="unknown", evidence={}, next_check_at=NOW, now=NOW)

    assert drainable(world) == []


def demand_of(world: World, run_id: int, *, minutes: float = 0) -> Demand:
    with world.store.read() as session:
        found = queue.demands(session, world.account_id, now=NOW + timedelta(minutes=minutes))
    return next(demand for demand in found if demand.run_id == run_id)


def test_what_a_run_has_under_way_is_counted_in_segments(world: World) -> None:
    # given 2 requests of 4 segments: one is queued, and one waits for the throttle for another 2 minutes
    run_id = world.run(people(6, segments=2), per_request=2)
    other = world.run(people(1, first=10), campaign="other")
    first, second, _ = world.batches(run_id)
    with world.store.write() as session:
        assert queue.queue_batches(session, [first, second], now=NOW) == {first, second}
        queue.snooze_batch(session, second, until=NOW + timedelta(minutes=2), waits_for=WaitsFor.THROTTLE)

    def expected(**changed: int) -> Demand:
        asleep = {"asleep_segments": 4, "waking_segments": 0}
        queued = {"queued_batches": 1, "queued_segments": 4, "stale_segments": 0}
        return Demand(run_id, world.run_definition(run_id), "spring-sale", has_due=True, **(asleep | queued | changed))

    assert demand_of(world, run_id) == expected()
    assert demand_of(world, run_id, minutes=1) == expected(waking_segments=4, stale_segments=4)
    assert demand_of(world, run_id, minutes=2) == expected(asleep_segments=0, stale_segments=4)
    assert demand_of(world, other).queued_batches == 0


def test_who_waits_for_something_else_is_not_under_way(world: World) -> None:
    run_id = world.run(people(2))
    (id_,) = queued(world, run_id)
    with world.store.write() as session:
        queue.snooze_batch(session, id_, until=SOON, waits_for=WaitsFor.WINDOW)

    demand = demand_of(world, run_id)

    assert (demand.has_due, demand.queued_batches, demand.asleep_segments) == (False, 0, 0)


def test_who_will_be_late_when_its_slot_comes_keeps_nobody_from_one(world: World) -> None:
    # given two requests that wait for the throttle for 2 minutes, one of which must have left a minute earlier
    run_id = world.run(people(4), per_request=2)
    ids = world.batches(run_id)
    with world.store.write() as session:
        queue.queue_batches(session, ids, now=NOW)
        for id_, latest in zip(ids, (NOW + timedelta(minutes=1), NOW + timedelta(minutes=3)), strict=True):
            queue.snooze_batch(session, id_, until=NOW + timedelta(minutes=2), waits_for=WaitsFor.THROTTLE)
            session.execute(sa.update(Batch).where(col(Batch.id) == id_).values(latest=latest))

    # then only the other one counts as under way
    assert demand_of(world, run_id).asleep_segments == 2


def test_the_first_due_batches_of_several_runs_come_in_one_look(world: World) -> None:
    one, two = (world.run(people(5, first=first), campaign=f"c-{first}", per_request=2) for first in (0, 10))
    waiting = world.run(people(1, first=20), campaign="waits")
    world.set_batches(waiting, not_before=SOON)
    (back, *_) = queued(world, two, room=1)
    with world.store.write() as session:
        queue.snooze_batch(session, back, until=NOW, waits_for=WaitsFor.THROTTLE)

    with world.store.read() as session:
        found = queue.due_batches(session, [one, two, waiting], now=NOW, most=2)

    assert found == {
        one: [Due(id_, 2, is_back=False) for id_ in world.batches(one)[:2]],
        two: [Due(id_, 2, is_back=id_ == back) for id_ in world.batches(two)[:2]],
    }


def test_what_is_no_longer_planned_is_not_queued(world: World) -> None:
    run_id = world.run(people(4), per_request=2)
    first, second = world.batches(run_id)
    world.intent(first)

    with world.store.write() as session:
        assert queue.queue_batches(session, [first, second], now=NOW) == {second}

    assert world.batch_state(first) is BatchState.SENDING
