"""Runs: paused, resumed, cancelled, settled and finished, from every state."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from campaigns.codes import PausedBy, WaitsFor
from campaigns.lifecycle import BatchState, RecipientState, RunState
from tests.store.store_world import NOW, SOON, World, new_run, people
from tests.support.queueing import queue_due
from worker.store.following import receipts
from worker.store.following.receipts import Receipt
from worker.store.models import Batch
from worker.store.runs import due_runs, run_ends, runs
from worker.store.sending import doubts
from worker.store.sending.outcome import close_attempt, postpone_batch, release

R = RunState
LATER = NOW + timedelta(hours=2)

CONTROL = [  # state, after pause, after resume, after cancel; None: refused, nothing changes
    (R.SCHEDULED, R.PAUSED, None, R.CANCELLED),
    (R.AWAITING_APPROVAL, None, None, R.CANCELLED),
    (R.RUNNING, R.PAUSED, None, R.CANCELLED),
    (R.PAUSED, None, R.RUNNING, R.CANCELLED),
    (R.SETTLING, R.PAUSED, None, R.CANCELLED),
    (R.COMPLETED, None, None, None),
    (R.CANCELLED, None, None, None),
    (R.FAILED, None, None, None),
]


def view(world: World, run_id: int) -> runs.RunView:
    with world.store.read() as session:
        return runs.run_view(session, run_id)


def test_the_table_of_controls_is_whole() -> None:
    assert {row[0] for row in CONTROL} == set(RunState)


@pytest.mark.parametrize(("state", "paused", "resumed", "cancelled"), CONTROL)
def test_control_from_every_state(
    world: World, state: RunState, paused: RunState | None, resumed: RunState | None, cancelled: RunState | None
) -> None:
    run_id = world.run(people(2))

    world.set_run(run_id, state=state, resume_to=R.RUNNING.value if state is R.PAUSED else "")
    with world.store.write() as session:
        assert runs.pause_run(session, run_id, PausedBy.PERSON, "lunch", now=NOW) is (paused is not None)
    assert world.run_state(run_id) is (paused or state)

    world.set_run(run_id, state=state, resume_to=R.RUNNING.value if state is R.PAUSED else "")
    with world.store.write() as session:
        assert runs.resume_run(session, run_id) is resumed
    assert world.run_state(run_id) is (resumed or state)

    world.set_run(run_id, state=state)
    with world.store.write() as session:
        unsent = runs.cancel_run(session, run_id, "by hand", NOW)
    assert unsent == (None if cancelled is None else 2)
    assert world.run_state(run_id) is (cancelled or state)
    ended = RecipientState.PENDING if cancelled is None else RecipientState.CANCELLED
    # a run that was cancelled before keeps what it had: nothing is touched twice
    assert world.states(run_id) == {ended: 2}


@pytest.mark.parametrize(
    ("state", "resumed"), [(R.SCHEDULED, R.SCHEDULED), (R.RUNNING, R.RUNNING), (R.SETTLING, R.RUNNING)]
)
def test_a_paused_run_goes_on_where_it_was(world: World, state: RunState, resumed: RunState) -> None:
    run_id = world.run(people(2), state=state)
    with world.store.write() as session:
        runs.pause_run(session, run_id, PausedBy.PERSON, "lunch", now=NOW)
    assert view(world, run_id).reason == "lunch"

    with world.store.write() as session:
        assert runs.resume_run(session, run_id) is resumed
    assert view(world, run_id).reason == ""


def test_cancelling_stops_what_waits_and_keeps_what_left(world: World) -> None:
    # given one request accepted, one on its way, one waiting in the queue and one planned
    run_id = world.run(people(8), per_request=2)
    accepted, sending_now, queued, planned = world.batches(run_id)
    first = world.intent(accepted)
    world.accept(first, world.placed(first))
    under_way = world.intent(sending_now)
    with world.store.write() as session:
        queue_due(session, run_id, now=NOW, room=1)

    with world.store.write() as session:
        assert runs.cancel_run(session, run_id, "wrong text", NOW) == 4

    assert [world.batch_state(id_) for id_ in (accepted, sending_now, queued, planned)] == [
        BatchState.ACCEPTED,
        BatchState.SENDING,
        BatchState.CANCELLED,
        BatchState.CANCELLED,
    ]
    with world.store.read() as session:
        assert doubts.in_flight(session, run_id) == [doubts.InFlight(sending_now, 2, NOW)]
    # and when the request that was on its way proves not to have been sent, its people are cancelled as well
    with world.store.write() as session:
        close_attempt(session, under_way.attempt_id, outcome="not_sent", evidence={}, now=NOW)
        release(session, [a.id for a in under_way.addressees], "")
        postpone_batch(session, sending_now, until=NOW, waits_for=WaitsFor.RETRY, reason="")
        assert runs.cancel_leftovers(session, run_id) == 2
    assert world.states(run_id) == {RecipientState.ACCEPTED: 2, RecipientState.CANCELLED: 6}
    assert world.batch_state(sending_now) is BatchState.CANCELLED


def test_leftovers_of_a_run_that_is_not_cancelled_are_left_alone(world: World) -> None:
    run_id = world.run(people(2))
    with world.store.write() as session:
        assert runs.cancel_leftovers(session, run_id) == 0
    assert world.states(run_id) == {RecipientState.PENDING: 2}


def test_a_run_starts_at_its_moment_and_not_before_its_plan_is_whole(world: World) -> None:
    run_id = world.run(people(2), state=R.SCHEDULED)
    with world.store.write() as session:
        unplanned = new_run(session, world.account_id, "unplanned")
        early = NOW - timedelta(seconds=1)
        assert due_runs.start_due_runs(session, world.account_id, early) == []
        assert due_runs.start_due_runs(session, world.account_id + 1, NOW) == []
        assert due_runs.start_due_runs(session, world.account_id, NOW, only=[unplanned]) == []
        assert due_runs.start_due_runs(session, world.account_id, NOW) == [run_id]
        assert due_runs.start_due_runs(session, world.account_id, LATER) == []

    assert (view(world, run_id).state, view(world, run_id).started_at) == (R.RUNNING, NOW)
    assert world.run_state(unplanned) is R.SCHEDULED


@pytest.mark.parametrize("state", sorted(BatchState))
def test_a_run_settles_when_nothing_is_left_to_send(world: World, state: BatchState) -> None:
    run_id = world.run(people(2))
    with world.store.write() as session:
        session.execute(sa.update(Batch).values(state=state))
        done = state in {BatchState.ACCEPTED, BatchState.REFUSED, BatchState.HELD, BatchState.CANCELLED}
        assert run_ends.settleable_runs(session, world.account_id) == ([run_id] if done else [])
        assert run_ends.settle_run(session, run_id, SOON) is done

    assert world.run_state(run_id) is (R.SETTLING if done else R.RUNNING)


def test_a_run_is_followed_until_its_receipts_are_in_or_its_time_is_over(world: World) -> None:
    # given three people: one delivered to, one whose text the phone sent, one whose text no phone has sent
    run_id = world.run(people(3))
    one, two, _ = world.sent(run_id)
    said = [(one, RecipientState.DELIVERED), (two, RecipientState.SENT)]
    with world.store.write() as session:
        rows = [Receipt(row.gateway_id or 0, state, 0, NOW, NOW, None, None, "") for row, state in said]
        assert receipts.apply_receipts(session, world.account_id, rows) == 2
        run_ends.settle_run(session, run_id, NOW)
        assert [run.id for run in run_ends.unfinished_runs(session, world.account_id)] == [run_id]
        assert run_ends.open_receipts(session, run_id) == 2
        # when following ends
        assert run_ends.expire_open(session, run_id) == 1
        assert run_ends.finish_run(session, run_id, LATER)
        assert not run_ends.finish_run(session, run_id, LATER)
        assert run_ends.unfinished_runs(session, world.account_id) == []
        assert receipts.due_groups(session, now=LATER, account_id=world.account_id, limit=9) == []

    assert (view(world, run_id).state, view(world, run_id).finished_at) == (R.COMPLETED, LATER)
    assert world.states(run_id) == {
        RecipientState.DELIVERED: 1,
        RecipientState.SENT: 1,
        RecipientState.EXPIRED: 1,
    }


def test_a_cancelled_run_is_finished_and_stays_cancelled(world: World) -> None:
    run_id = world.run(people(1))
    with world.store.write() as session:
        runs.cancel_run(session, run_id, "by hand", NOW)
        assert run_ends.finish_run(session, run_id, LATER)
        assert not run_ends.finish_run(session, run_id, LATER)

    assert (view(world, run_id).state, view(world, run_id).finished_at) == (R.CANCELLED, LATER)


def test_a_plan_that_failed_says_why(world: World) -> None:
    run_id = world.run(people(1), state=R.SCHEDULED)
    with world.store.write() as session:
        assert runs.fail_run(session, run_id, "people.csv is gone", NOW)
        assert not runs.fail_run(session, run_id, "again", NOW)

    assert (view(world, run_id).state, view(world, run_id).reason) == (R.FAILED, "people.csv is gone")


def test_runs_are_found_by_name(world: World) -> None:
    run_id = world.run(people(1))
    with world.store.read() as session:
        assert runs.find_run(session, "spring-sale") == view(world, run_id)
        assert runs.find_campaign_run(session, "spring-sale", rehearsal=True) is None
        assert runs.find_run(session, "other") is None
        assert [run.id for run in runs.list_runs(session)] == [run_id]
        assert runs.list_runs(session, [R.COMPLETED]) == []
        with pytest.raises(LookupError, match="there is no run"):
            runs.run_view(session, run_id + 1)
