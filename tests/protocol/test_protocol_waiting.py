"""Waiting for the throttle or the window: never an attempt, and nothing is sent too early."""

from datetime import timedelta

import pytest

from campaigns.lifecycle import BatchState
from scheduler.inbox.status import CAN_WAIT
from scheduler.ticks.rescue import rescue
from scheduler.ticks.start import MANY, REST_SECONDS, START_AHEAD, start
from tests.protocol.bench import Bench, exactly_once
from worker.dispatch import Dispatched
from worker.store.queue import EMPTIED_AFTER


def test_waiting_for_the_throttle_is_never_an_attempt(bench: Bench) -> None:
    # given 8 texts at 2 a minute, one in each request
    run_id = bench.campaign(8, per_request=1, more="  rate: 2/minute\n")

    bench.finish(run_id, within=timedelta(minutes=5))

    assert exactly_once(bench, run_id)
    assert {batch.attempt for batch in bench.batches(run_id)} == {1}
    assert bench.outcomes(run_id) == ["accepted"] * 8
    times = [attempt.started_at for attempt in bench.attempts(run_id)]
    assert all(later - early >= timedelta(minutes=1) for early, later in zip(times, times[2:], strict=False))


def test_nothing_is_sent_outside_the_window(bench: Bench) -> None:
    # given a window that opens in two minutes (the clock stands at 09:00)
    run_id = bench.campaign(3, more='schedule:\n  window: {from: "09:02", to: "20:00"}\n')
    bench.pass_time(110, step=10)
    assert bench.gateway.sends == []

    bench.finish(run_id)

    assert exactly_once(bench, run_id)
    assert {batch.attempt for batch in bench.batches(run_id)} == {1}


def test_a_job_that_comes_when_the_window_has_closed_waits_for_the_next_day(bench: Bench) -> None:
    # given a batch queued at 19:59:59 of which the job is worked on at 20:00
    bench.clock.advance(timedelta(hours=10, seconds=59 * 60 + 59))
    run_id = bench.campaign(3, more='schedule:\n  window: {from: "09:00", to: "20:00"}\n')
    bench.enqueue()
    bench.clock.advance(1)

    assert bench.work() == [Dispatched.SNOOZED]

    (batch,) = bench.batches(run_id)
    assert (batch.state, batch.attempt) == (BatchState.PLANNED, 0)
    assert batch.not_before.isoformat() == "2026-12-02T09:00:00+00:00"


def test_what_a_queue_that_is_away_did_not_take_is_sent_as_soon_as_it_is_back(bench: Bench) -> None:
    bench.queue.is_away = True
    run_id = bench.campaign(3)
    with pytest.raises(ConnectionError):
        bench.enqueue()
    assert [batch.state for batch in bench.batches(run_id)] == [BatchState.PLANNED]

    bench.queue.is_away = False

    assert bench.send() == [Dispatched.ACCEPTED]


def test_a_queue_that_was_emptied_is_filled_again_within_seconds(bench: Bench) -> None:
    # given a campaign whose jobs are in a queue that loses them all
    run_id = bench.campaign(6, per_request=2)
    bench.enqueue()
    bench.queue.jobs.clear()

    bench.pass_time(EMPTIED_AFTER + timedelta(seconds=2), step=1)

    assert exactly_once(bench, run_id)


def test_what_is_in_the_queue_is_not_queued_again_while_others_wait_there(bench: Bench) -> None:
    run_id = bench.campaign(6, per_request=2)
    bench.enqueue()
    first, *others = bench.queue.jobs
    bench.clock.advance(EMPTIED_AFTER.total_seconds() + 1)

    assert rescue(bench.runtime, bench.clock.now()) == {"requeued": 0, "abandoned": 0}

    bench.queue.jobs = [first, *others]
    bench.work()
    assert exactly_once(bench, run_id)


def test_while_many_begin_together_no_status_is_written(bench: Bench) -> None:
    # given as many campaigns as count as many, planned for one moment, and one that goes at once
    for n in range(MANY):
        bench.campaign(1, name=f"noon-{n}", first=n, more="schedule:\n  start: 2026-12-01T10:00:00Z\n")
    bench.campaign(1, name="now", first=MANY)
    assert start(bench.runtime, bench.clock.now()) == {"started": 1}
    assert CAN_WAIT not in bench.runtime.next_looks

    # when their moment comes
    bench.clock.advance(timedelta(hours=1))
    assert start(bench.runtime, bench.clock.now()) == {"started": MANY}

    # then the status texts rest for as long as first requests take
    rests_seconds = bench.runtime.next_looks[CAN_WAIT] - bench.clock.elapsed_seconds()
    assert rests_seconds == START_AHEAD.total_seconds() + REST_SECONDS
