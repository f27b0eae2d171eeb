"""The processes: everything in one (`up`), or scheduler and workers apart, each until it is told to stop."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from pydantic import SecretStr

from scheduler.leader import FileLock, LeaderLock, leader_lock
from scheduler.loop import TICKS, Clockwork
from scheduler.ticks.inbox import make_inbox_tick
from worker.logs import get_logger
from worker.runtime import Runtime, build_runtime
from worker.settings import Settings, SettingsError
from worker.store import queue
from worker.store.runs import list_runs

STANDBY_SECONDS: Final = 2.0
"""How often a scheduler that waits looks whether the lock is free, and one that leads whether it still has it."""

INBOX_SECONDS: Final = 0.5


class Stop:
    """Set once by SIGINT or SIGTERM; a second signal ends the process at once."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.by: signal.Signals | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self.by = signal.Signals(number)
        self._event.set()
        signal.signal(number, signal.SIG_DFL)

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it is time to stop, at the latest after `seconds`."""
        return self._event.wait(seconds)

    def is_set(self) -> bool:
        """Whether it is time to stop."""
        return self._event.is_set()

    @property
    def exit_code(self) -> int:
        """130 for Ctrl-C; a service that was told to stop has done its work."""
        return 130 if self.by is signal.SIGINT else 0


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """A `Stop` that SIGINT and SIGTERM set while the block runs."""
    stop = Stop()
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def claim_database(runtime: Runtime) -> LeaderLock:
    """The lock of an embedded process. Raises `SettingsError` where another one works on the same database file.

    Two of them would each keep the rate, and together send at twice the rate.
    """
    lock = leader_lock(runtime.store)
    if not lock.acquire() and isinstance(lock, FileLock):
        raise SettingsError(
            f"another process ({lock.holder() or 'unknown'}) works on the database {runtime.store.sqlite_path}; "
            "stop it first, or drop the file into its inbox"
        )
    return lock


def serve_all(settings: Settings, sandbox: tuple[str, SecretStr] | None = None) -> int:
    """`up`: inbox, clock and sending in one process until SIGINT or SIGTERM; the exit code."""
    runtime = build_runtime(settings, sandbox=sandbox)
    lock = claim_database(runtime)
    try:
        with runtime.store.write("requeue_all") as session:
            # What an earlier process had in its queue ended with it.
            queue.requeue_runs(session, [run.id for run in list_runs(session)])
        runtime.queue.work(settings.threads)
        get_logger().info("service.started", role="up", inbox=str(settings.inbox), threads=settings.threads)
        with stop_signals() as stop:
            _tick_until(runtime, lock, stop)
    finally:
        runtime.close()
        lock.release()
    get_logger().info("service.stopped", role="up")
    return stop.exit_code


def serve_scheduler(settings: Settings) -> int:
    """`scheduler`: inbox and clock; several may run, one at a time works. Until SIGINT or SIGTERM; the exit code."""
    _require_redis(settings, "scheduler")
    runtime = build_runtime(settings)
    lock = leader_lock(runtime.store)
    get_logger().info("service.started", role="scheduler", inbox=str(settings.inbox))
    try:
        with stop_signals() as stop:
            while not stop.is_set():
                if lock.acquire():
                    _tick_until(runtime, lock, stop)
                stop.wait(STANDBY_SECONDS)
    finally:
        lock.release()
        runtime.close()
    get_logger().info("service.stopped", role="scheduler")
    return stop.exit_code


def serve_worker(settings: Settings) -> int:
    """`worker`: sends what the scheduler queued, until SIGINT or SIGTERM; the exit code."""
    _require_redis(settings, "worker")
    runtime = build_runtime(settings)
    runtime.queue.work(settings.threads)
    get_logger().info("service.started", role="worker", threads=settings.threads)
    with stop_signals() as stop:
        stop.wait()
    runtime.close()
    get_logger().info("service.stopped", role="worker")
    return stop.exit_code


def _tick_until(runtime: Runtime, lock: LeaderLock, stop: Stop) -> None:
    """Run the clock until it is time to stop, or until the lock is lost."""
    clockwork = Clockwork(runtime, {**TICKS, make_inbox_tick(): INBOX_SECONDS})
    clockwork.start()
    get_logger().info("scheduler.leads")
    try:
        while not stop.wait(STANDBY_SECONDS):
            if not lock.is_held():
                get_logger().warning("scheduler.lost_the_lead")
                return
    finally:
        clockwork.stop()


def _require_redis(settings: Settings, role: str) -> None:
    if not settings.redis_url:
        raise SettingsError(
            f"a separate {role} needs a shared queue: set CAMPAIGNS_REDIS_URL, "
            "or run everything in one process with `campaigns up`"
        )
