"""The queue: which job a worker takes first."""

import threading
from collections.abc import Callable

import pytest
import redis

from campaigns.definition import Kind
from worker.jobs import JobQueue, in_process_queue, redis_queue

URGENT = 99


def through_redis(send: Callable[[int], object], request: pytest.FixtureRequest) -> JobQueue:
    return redis_queue(request.getfixturevalue("redis_url"), send)


@pytest.mark.parametrize("make", [lambda send, _: in_process_queue(send), through_redis], ids=["in process", "redis"])
def test_a_transactional_job_overtakes_what_a_worker_has_fetched(
    make: Callable[[Callable[[int], object], pytest.FixtureRequest], JobQueue], request: pytest.FixtureRequest
) -> None:
    # given a worker that is busy with the first of 40 marketing jobs
    done: list[int] = []
    is_busy, may_go_on, all_done = threading.Event(), threading.Event(), threading.Event()

    def send(batch_id: int) -> None:
        is_busy.set()
        assert may_go_on.wait(20)
        done.append(batch_id)
        if len(done) == 41:
            all_done.set()

    jobs = make(send, request)
    jobs.enqueue(range(40))
    jobs.work(1)
    try:
        assert is_busy.wait(20)
        jobs.enqueue([URGENT], Kind.TRANSACTIONAL)
        threading.Event().wait(0.5)  # five times as long as a worker takes to look into each queue
        may_go_on.set()
        assert all_done.wait(20)
    finally:
        jobs.stop()

    assert done[1] == URGENT


def test_a_queue_on_redis_knows_when_it_was_emptied(redis_url: str) -> None:
    jobs = redis_queue(redis_url, lambda _: None)
    jobs.enqueue([1, 2])
    jobs.enqueue([3], Kind.REMINDER)
    assert jobs.outstanding() == 3

    with redis.Redis.from_url(redis_url) as client:
        client.flushall()

    assert jobs.outstanding() == 0
    jobs.stop()


def test_a_queue_of_one_process_loses_no_job_and_does_not_count_them() -> None:
    jobs = in_process_queue(lambda _: None)
    assert jobs.outstanding() is None
    jobs.stop()
