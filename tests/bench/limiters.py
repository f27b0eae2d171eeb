"""Dramatiq's own limiters doing the same job: acquire or raise, and be retried later, as its documentation shows.

`python -m tests.bench.limiters` is one of its workers: it reads a `Job` as JSON from standard input, prints `ready`,
and ends when its input does.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import dramatiq
import httpx
from dramatiq.brokers.redis import RedisBroker
from dramatiq.rate_limits import ConcurrentRateLimiter, RateLimiter, WindowRateLimiter
from dramatiq.rate_limits.backends import RedisBackend

from tests.bench.installation import GIVE_UP_SECONDS, Servers
from tests.bench.pacing import BATCH_SIZE, SPARE, attained, each_second, windows
from tests.bench.reporting.results import BenchError, Paced
from tests.bench.reporting.samples import texts
from tests.bench.windows import Stamp
from tests.prove.world.evidence import read_ledger
from tests.prove.world.stage import KEY, wait_until
from worker.sandbox.running.options import SandboxOptions
from worker.sandbox.running.process import PrivateSandbox

Actor = dramatiq.Actor[[int], None]

THREADS: Final = 4


class How(StrEnum):
    """Which limiter, and how it is retried."""

    WINDOW = "WindowRateLimiter"  # with its default back-off
    WINDOW_TUNED = "WindowRateLimiter, back-off 50 ms to 1 s"
    CONCURRENT_TUNED = "ConcurrentRateLimiter, the same"


TUNED: Final[Mapping[str, Any]] = {"min_backoff": 50, "max_backoff": 1_000, "max_retries": None}


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker has to know. `rate` is in segments a second."""

    how: How
    redis_url: str
    gateway_url: str
    rate: int


def measure_limiter(servers: Servers, how: How, *, rate: int, seconds: float, workers: int) -> Paced:
    """Let `workers` processes send at `rate` under one of Dramatiq's limiters. `BenchError` if nothing arrives."""
    servers.redis.restart()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        ledger = Path(name) / "ledger.jsonl"
        with PrivateSandbox.start(SandboxOptions(key=KEY, ledger=ledger, pace_per_second=1_000_000)) as sandbox:
            job = Job(how, servers.redis.url, sandbox.url, rate)
            fleet = [_start(job) for _ in range(workers)]
            try:
                for process in fleet:
                    _await_ready(process)
                actor = make_actor(job)
                for first in range(0, int(rate * seconds * SPARE), BATCH_SIZE):
                    actor.send(first)
                if not wait_until(lambda: ledger.exists() and ledger.stat().st_size > 0, GIVE_UP_SECONDS):
                    raise BenchError(f"{how} sent nothing")
                time.sleep(seconds + 1)
            finally:
                for process in fleet:
                    process.kill()
                    process.communicate()
        arrived = [Stamp(datetime.fromtimestamp(row.accepted_at, UTC), 1, "", "") for row in read_ledger(ledger)]
    began = min(arrived).at
    share = attained(arrived, [(began, began + timedelta(seconds=seconds))], rate=rate)
    return Paced(how.value, share, each_second(rate), (), windows(arrived))


def make_actor(job: Job) -> Actor:
    """The actor that posts the batch starting with a number, if the limiter allows it."""
    broker: dramatiq.Broker = RedisBroker(url=job.redis_url)  # type: ignore[no-untyped-call]  # dramatiq leaves it untyped
    limiter = _limiter(job)
    options = {} if job.how is How.WINDOW else TUNED
    client = httpx.Client()
    hold_seconds = BATCH_SIZE / job.rate if job.how is How.CONCURRENT_TUNED else 0.0

    def send(first: int) -> None:
        with limiter.acquire():
            free_at = time.monotonic() + hold_seconds
            rows = [{"number": number, "message": text} for number, text in texts(BATCH_SIZE, first=first)]
            client.post(f"{job.gateway_url}/services/send.php", data={"messages": json.dumps(rows), "key": KEY})
            time.sleep(max(0.0, free_at - time.monotonic()))

    return dramatiq.actor(actor_name="send", broker=broker, **options)(send)


def _limiter(job: Job) -> RateLimiter:
    backend = RedisBackend(url=job.redis_url)
    if job.how is How.CONCURRENT_TUNED:
        # It limits how many run at once: one at a time, each held for as long as a batch takes at this rate.
        return ConcurrentRateLimiter(backend, "rate", limit=1)  # type: ignore[no-untyped-call]  # so is this
    return WindowRateLimiter(backend, "rate", limit=job.rate // BATCH_SIZE, window=1)  # type: ignore[no-untyped-call]  # and this


def _start(job: Job) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.limiters"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a line for each time that a limiter refused
        text=True,
    )
    if process.stdin is None:
        raise TypeError("the worker needs a pipe as its standard input")
    process.stdin.write(json.dumps(asdict(job)) + "\n")
    process.stdin.flush()
    return process


def _await_ready(process: subprocess.Popen[str]) -> None:
    if process.stdout is None or process.stdout.readline() != "ready\n":
        raise BenchError("a worker with Dramatiq's limiter did not start")


def work(job: Job, until: Callable[[], object]) -> None:
    """Be one of the workers, until `until` returns."""
    worker = dramatiq.Worker(make_actor(job).broker, worker_threads=THREADS)
    worker.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    until()
    worker.stop()


if __name__ == "__main__":
    fields = json.loads(sys.stdin.readline())
    work(Job(**{**fields, "how": How(fields["how"])}), sys.stdin.read)
