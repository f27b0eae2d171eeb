"""What is due, what is queued, and what comes back."""

from datetime import timedelta

from campaigns.lifecycle import BatchState, RunState
from tests.store.store_world import NOW, SOON, World, people
from worker.store import accounts, queue, sending
from worker.store.queue import DOUBTS_PER_ACCOUNT, QUEUED_TOO_LONG


def queued(world: World, run_id: int, *, room: int = 100, minutes: float = 0) -> list[int]:
    with world.store.write() as session:
        return queue.queue_due(session, run_id, now=NOW + timedelta(minutes=minutes), room=room)


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
        queue.snooze_batch(session, id_, until=NOW + timedelta(minutes=5), reason="outside the window")

    batch = world.batch(id_)
    assert (batch.state, batch.attempt, batch.reason) == (BatchState.PLANNED, 0, "outside the window")
    with world.store.read() as session:
        assert not queue.has_due(session, run_id, now=NOW)
    assert queued(world, run_id, minutes=4) == []
    assert queued(world, run_id, minutes=5) == [id_]
    with world.store.read() as session:
        assert sending.load_work(session, id_) is not None


def test_a_snooze_that_comes_late_takes_nothing_back(world: World) -> None:
    # given a batch that another worker is sending already
    run_id = world.run(people(2))
    (id_,) = queued(world, run_id)
    world.intent(id_)

    with world.store.write() as session:
        queue.snooze_batch(session, id_, until=SOON, reason="waiting for the throttle")

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
        accounts.pause_account(session, world.account_id, "no credits", now=NOW, probe_at=SOON)

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
            sending.mark_unknown(session, intent, outcome="unknown", evidence={}, next_check_at=NOW, now=NOW)

    assert drainable(world) == []
