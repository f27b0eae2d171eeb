"""Waiting for the throttle or the window: it never counts as an attempt, and nothing is sent too early."""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import pytest

from campaigns.lifecycle import BatchState, RunState
from scheduler.loop import Clockwork, Repeatedly
from scheduler.rush import MANY, REST_SECONDS, Rush
from scheduler.ticks.every import Every
from scheduler.ticks.following.finish import FinishTick
from scheduler.ticks.sending.drain import AHEAD_A_RUN
from scheduler.ticks.sending.missed import late
from scheduler.ticks.sending.start import START_AHEAD
from scheduler.ticks.table import Tick
from tests.protocol.world.harness import Installation, exactly_once
from tests.prove.world.stage import wait_until
from tests.support.clocks import START
from worker.runtime import Runtime
from worker.sending.dispatch import Dispatched
from worker.store.sending.queue import EMPTIED_AFTER, ENQUEUE_AHEAD, STALE

TOGETHER = 10
AHEAD = ENQUEUE_AHEAD + TOGETHER * AHEAD_A_RUN
"""How long before their moment the first requests of that many campaigns are queued."""

NOON = "schedule:\n  start: 2026-12-01T10:00:00Z\n"
"""An hour after the clock's start."""


def test_waiting_for_the_throttle_is_never_an_attempt(bench: Installation) -> None:
    # given 8 texts at 2 a minute, one in each request
    run_id = bench.campaign(8, per_request=1, more="  rate: 2/minute\n")

    bench.finish(run_id, within=timedelta(minutes=5))

    assert exactly_once(bench, run_id)
    assert {batch.attempt for batch in bench.batches(run_id)} == {1}
    assert bench.outcomes(run_id) == ["accepted"] * 8
    times = [attempt.started_at for attempt in bench.attempts(run_id)]
    assert all(later - early >= timedelta(minutes=1) for early, later in zip(times, times[2:], strict=False))


def test_nothing_is_sent_outside_the_window(bench: Installation) -> None:
    # given a window that opens in two minutes (the clock is at 09:00)
    run_id = bench.campaign(3, more='schedule:\n  window: {from: "09:02", to: "20:00"}\n')
    bench.pass_time(110, step=10)
    assert bench.gateway.sends == []

    bench.finish(run_id)

    assert exactly_once(bench, run_id)
    assert {batch.attempt for batch in bench.batches(run_id)} == {1}


def test_a_job_that_comes_when_the_window_has_closed_waits_for_the_next_day(bench: Installation) -> None:
    # given a batch queued at 19:59:59 whose job is worked on at 20:00
    bench.clock.advance(timedelta(hours=10, seconds=59 * 60 + 59))
    run_id = bench.campaign(3, more='schedule:\n  window: {from: "09:00", to: "20:00"}\n')
    bench.enqueue()
    bench.clock.advance(1)

    assert bench.work() == [Dispatched.SNOOZED]

    (batch,) = bench.batches(run_id)
    assert (batch.state, batch.attempt) == (BatchState.PLANNED, 0)
    assert batch.not_before.isoformat() == "2026-12-02T09:00:00+00:00"


def test_what_a_queue_that_is_away_did_not_take_is_sent_as_soon_as_it_is_back(bench: Installation) -> None:
    bench.queue.is_away = True
    run_id = bench.campaign(3)
    with pytest.raises(ConnectionError):
        bench.enqueue()
    assert [batch.state for batch in bench.batches(run_id)] == [BatchState.PLANNED]

    bench.queue.is_away = False

    assert bench.send() == [Dispatched.ACCEPTED]


def test_a_queue_that_was_emptied_is_filled_again_within_seconds(bench: Installation) -> None:
    # given a campaign whose jobs are in a queue that loses them all
    run_id = bench.campaign(6, per_request=2)
    bench.enqueue()
    bench.queue.jobs.clear()

    bench.pass_time(EMPTIED_AFTER + timedelta(seconds=2), step=1)

    assert exactly_once(bench, run_id)


def test_what_is_in_the_queue_is_not_queued_again_while_others_wait_there(bench: Installation) -> None:
    run_id = bench.campaign(6, per_request=2)
    bench.enqueue()
    first, *others = bench.queue.jobs
    bench.clock.advance(EMPTIED_AFTER.total_seconds() + 1)

    assert bench.call("rescue") == {"requeued": 0, "abandoned": 0}

    bench.queue.jobs = [first, *others]
    bench.work()
    assert exactly_once(bench, run_id)


def test_what_a_worker_took_with_it_keeps_the_others_from_nothing(bench: Installation) -> None:
    # given a campaign that may have a second of its rate in the queue, all of it held by a worker that is gone
    run_id = bench.campaign(40, per_request=1, more="  rate: 4/second\n")
    bench.enqueue()
    gone, bench.queue.jobs = bench.queue.jobs, []
    assert len(gone) == 4
    bench.clock.advance(STALE.total_seconds() / 2)
    bench.enqueue()
    assert not bench.queue.jobs

    # when that has been so for a while
    bench.clock.advance(STALE.total_seconds() / 2)
    bench.enqueue()

    # then the same amount is queued for the others, once
    assert len(bench.queue.jobs) == 4
    bench.clock.advance(10 * STALE.total_seconds() / 9)
    bench.enqueue()
    assert len(bench.queue.jobs) == 4
    # and what the worker had arrives in the end
    bench.finish(run_id)
    assert exactly_once(bench, run_id)


def test_while_many_begin_together_no_status_is_written(bench: Installation) -> None:
    # given as many campaigns as count as many, planned for one moment, and one that is sent at once
    for n in range(MANY):
        bench.campaign(1, name=f"noon-{n}", first=n, more=NOON)
    bench.campaign(1, name="now", first=MANY)
    assert bench.call("start") == {"started": 1}
    assert not bench.ticks.rush.is_on(bench.clock.elapsed_seconds())

    # when their moment comes
    bench.clock.advance(timedelta(hours=1))
    assert bench.call("start") == {"started": MANY}

    # then the status texts rest for as long as the first requests take
    rests_seconds = bench.ticks.rush.over_seconds - bench.clock.elapsed_seconds()
    assert rests_seconds == START_AHEAD.total_seconds() + REST_SECONDS


def test_the_first_requests_of_many_are_queued_ahead_and_made_at_their_moment(bench: Installation) -> None:
    # given campaigns that begin together, a second before their moment
    for n in range(TOGETHER):
        bench.campaign(1, name=f"noon-{n}", first=n, more=NOON)
    moment = bench.clock.now() + timedelta(hours=1)
    bench.clock.advance(timedelta(hours=1) - timedelta(seconds=1))
    assert bench.call("start") == {"started": TOGETHER}
    assert bench.call("drain") == {"enqueued": 0}

    # when they are queued ahead, and worked on at once
    bench.clock.advance(timedelta(seconds=1) - AHEAD)
    assert bench.call("drain") == {"enqueued": TOGETHER}
    done = bench.work()

    # then the workers waited for the moment, and none was sent before it
    assert set(done) == {Dispatched.ACCEPTED}
    assert min(attempt.started_at for n in range(TOGETHER) for attempt in bench.attempts(n + 1)) >= moment


@pytest.mark.parametrize("has_company", [False, True])
def test_nothing_is_queued_far_ahead_where_somebody_else_sends(bench: Installation, *, has_company: bool) -> None:
    # given as many as begin together, perhaps next to a campaign that waits for its next slot
    for n in range(TOGETHER):
        bench.campaign(1, name=f"noon-{n}", first=n, more=NOON)
    if has_company:
        bench.campaign(9, name="slow", first=TOGETHER, per_request=1, more="  rate: 1/minute\n")
        assert bench.send() == [Dispatched.ACCEPTED]
    bench.clock.advance(timedelta(hours=1) - timedelta(seconds=1))
    if has_company:
        assert [*bench.send(), *bench.send()] == [Dispatched.ACCEPTED, Dispatched.SNOOZED]
    bench.call("start")

    bench.clock.advance(timedelta(seconds=1) - AHEAD)
    ahead = bench.call("drain")["enqueued"]
    bench.clock.advance(AHEAD - ENQUEUE_AHEAD)
    in_time = bench.call("drain")["enqueued"]

    assert (ahead, in_time) == ((0, TOGETHER) if has_company else (TOGETHER, 0))


def test_what_can_wait_does_so_while_many_begin(bench: Installation) -> None:
    # given a campaign that has sent everything, while others begin
    run_id = bench.campaign(3)
    assert bench.send() == [Dispatched.ACCEPTED]
    rush, at = Rush(), bench.clock.elapsed_seconds()
    rush.begin(range(100, 100 + MANY), at=at, moment=at)
    ticks = Tick("finish", 0.05, FinishTick(), can_wait=True), Tick("late", 0.05, late)
    clockwork = Clockwork(bench.runtime, ticks, rush)
    clockwork.start()
    try:
        # then it is not checked for its end before they have begun
        assert not wait_until(lambda: bench.run(run_id).state is not RunState.RUNNING, 0.2)
        bench.clock.advance(REST_SECONDS)
        assert wait_until(lambda: bench.run(run_id).state is RunState.SETTLING, 10)
    finally:
        clockwork.stop()


def is_looked_again(clockwork: Clockwork, looks: Sequence[datetime]) -> bool:
    """Let it tick until there are two looks; return whether they came within 30 s."""
    clockwork.start()
    try:
        return wait_until(lambda: len(looks) > 1, 30)
    finally:
        clockwork.stop()


def test_after_a_sleep_ticks_have_forgotten_how_long_to_rest(bench: Installation) -> None:
    # given a look that slept for an hour with its machine, and rests for hours
    def ticks() -> tuple[Tick, ...]:
        look = Every()

        def work(runtime: Runtime, now: datetime) -> Mapping[str, int]:
            began = runtime.clock.elapsed_seconds()
            if not look.is_due(began):
                return {}
            looks.append(now)
            if len(looks) == 1:
                bench.clock.advance(timedelta(hours=1))
            look.rest(began, 10 * (runtime.clock.elapsed_seconds() - began))
            return {"looks": 1}

        return (Tick("look", 0.05, work),)

    looks: list[datetime] = []
    # then it is made anew, and looks again
    assert is_looked_again(Clockwork(bench.runtime, ticks(), Rush(), renew=ticks), looks)


def test_a_tick_that_slept_does_not_keep_the_new_ones_from_work(bench: Installation) -> None:
    # given a look that ends after the ticks were made anew, and found nothing to do
    renewed = threading.Event()

    def ticks() -> tuple[Tick, ...]:
        def work(_: Runtime, now: datetime) -> Mapping[str, int]:
            looks.append(now)
            if len(looks) == 1:
                bench.clock.advance(timedelta(hours=1))
                assert renewed.wait(30)
            return {"idle": 1}

        return (Tick("look", 0.05, work, for_work=True),)

    def renew() -> tuple[Tick, ...]:
        renewed.set()
        return ticks()

    looks: list[datetime] = []
    # then the new one looks, and not only the old one
    assert is_looked_again(Clockwork(bench.runtime, ticks(), Rush(), renew=renew), looks)


@pytest.mark.parametrize("missed", [timedelta(0), timedelta(seconds=0.1), timedelta(weeks=1), timedelta(days=18_000)])
def test_calls_that_were_missed_are_passed_over_in_one_step(missed: timedelta) -> None:
    step, now = timedelta(seconds=0.1), START + missed
    ahead = Repeatedly(step.total_seconds).get_next_fire_time(START, now) - now
    assert timedelta(0) < ahead <= step
    assert not (missed + ahead) % step
