"""The queue: which job a worker picks up first."""

import sqlite3
import threading
from collections.abc import Callable

import pytest
import redis
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from campaigns.definition import Kind
from worker.jobs import JobQueue, in_process_queue
from worker.redis_jobs import redis_queue
from worker.servers.conditions import Trouble
from worker.servers.troubles import Troubles

URGENT = 99


def through_redis(send: Callable[[int], object], request: pytest.FixtureRequest) -> JobQueue:
    return redis_queue(request.getfixturevalue("redis_url"), send, Troubles())


@pytest.mark.parametrize(
    "make", [lambda send, _: in_process_queue(send, Troubles()), through_redis], ids=["in process", "redis"]
)
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
    jobs = redis_queue(redis_url, lambda _: None, Troubles())
    jobs.enqueue([1, 2])
    jobs.enqueue([3], Kind.REMINDER)
    assert jobs.outstanding() == 3

    with redis.Redis.from_url(redis_url) as client:
        client.flushall()

    assert jobs.outstanding() == 0
    jobs.stop()


def test_a_database_that_fails_a_job_is_told_without_a_traceback() -> None:
    # given two jobs whose transactions find the disk full, and one that fails because of a bug of ours
    full = sqlite3.OperationalError("disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    mistake, both_told = KeyError("mistake"), threading.Event()

    def send(batch_id: int) -> None:
        if batch_id <= 2:
            raise OperationalError("INSERT", {"number": "+393331000001"}, full)
        if batch_id == 3:
            raise mistake
        both_told.set()

    jobs = in_process_queue(send, Troubles())
    with capture_logs() as told:
        jobs.enqueue([1, 2, 3, 4])
        jobs.work(1)
        try:
            assert both_told.wait(20)
        finally:
            jobs.stop()

    assert [line["event"] for line in told] == ["trouble.began", "job.failed"]
    assert (told[0]["trouble"], told[0]["met_by"]) == (Trouble.DATABASE_FULL, "job")
    assert "disk is full" in told[0]["says"]
    assert "39333" not in str(told[0])
    assert told[1] == {"event": "job.failed", "log_level": "error", "batch": 3, "exc_info": mistake}


def test_a_queue_of_one_process_loses_no_job_and_does_not_count_them() -> None:
    jobs = in_process_queue(lambda _: None, Troubles())
    assert jobs.outstanding() is None
    jobs.stop()
