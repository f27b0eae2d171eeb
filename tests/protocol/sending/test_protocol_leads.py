"""How a rate looks to the gateway: requests spaced like their grants, however long each took to get ready."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from tests.protocol.world.harness import Installation
from worker.crashpoints import arm
from worker.sending.dispatch import Dispatched
from worker.sending.spacing import LONGEST

THREADS = 4
PREPARED = (0.01, 0.08, 0.03, 0.06, 0.0)
"""Seconds from each grant until its request is ready: the time a busy database takes for the intent, which varies."""


@pytest.fixture
def threaded(bench: Installation) -> Installation:
    """A bench whose requests could have other threads next to them."""
    return Installation(bench.folder, bench.store, bench.clock, bench.gateway, threads=THREADS)


@contextmanager
def slow_intents(bench: Installation, seconds: tuple[float, ...]) -> Iterator[None]:
    """The intents take this long, one after the other."""
    left = iter(seconds)

    def commit(point: str) -> None:
        if point == "intent:before_commit":
            bench.clock.advance(next(left))

    arm(commit)
    try:
        yield
    finally:
        arm(None)


def on_their_way(bench: Installation, run_id: int) -> list[timedelta]:
    """The time from each grant to its arrival."""
    arrived = {message.number: message.at for message in bench.gateway.stored}
    first_of = {row.batch_id: row.number for row in bench.recipients(run_id)}
    attempts = bench.attempts(run_id)
    assert all(attempt.granted_at for attempt in attempts)
    return [arrived[first_of[a.batch_id]] - a.granted_at for a in attempts if a.granted_at is not None]


def test_requests_arrive_at_the_distances_of_their_grants(threaded: Installation) -> None:
    # given a rate of one request a second, and intents that take between nothing and 80 ms
    run_id = threaded.campaign(5, per_request=1, more="  rate: 1/second\n")

    with slow_intents(threaded, PREPARED):
        threaded.pass_time(10, step=0.1)

    # then all of them were under way for the same time, not between nothing and 80 ms
    assert on_their_way(threaded, run_id) == [LONGEST] * len(PREPARED)


def test_a_request_that_is_ready_later_leaves_as_soon_as_it_is(threaded: Installation) -> None:
    run_id = threaded.campaign(1, per_request=1, more="  rate: 1/second\n")

    with slow_intents(threaded, (0.7,)):
        threaded.pass_time(3, step=0.1)

    assert on_their_way(threaded, run_id) == [timedelta(seconds=0.7)]


def test_without_a_rate_nothing_is_held_back(threaded: Installation) -> None:
    run_id = threaded.campaign(5, per_request=1)

    with slow_intents(threaded, PREPARED):
        threaded.send()

    assert on_their_way(threaded, run_id) == [timedelta(seconds=seconds) for seconds in PREPARED]


def test_a_request_that_is_held_back_past_its_sending_hours_is_not_made(threaded: Installation) -> None:
    # given a job that is worked on 50 ms before the window closes
    window = 'schedule: {window: {from: "09:00", to: "10:00"}}\n'
    run_id = threaded.campaign(1, per_request=1, more=f"  rate: 1/second\n{window}")
    threaded.enqueue()
    threaded.clock.advance(timedelta(hours=1) - timedelta(seconds=0.05))

    assert threaded.work() == [Dispatched.NOT_SENT]

    assert threaded.outcomes(run_id) == ["not_sent"]
    assert threaded.gateway.sends == []
