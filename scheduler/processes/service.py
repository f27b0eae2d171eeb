"""The processes: everything in one (`up`), or scheduler and workers apart, each until it is told to stop."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from types import FrameType
from typing import Final

import redis
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from scheduler.loop import TICKS, Clockwork
from scheduler.processes.heartbeat import BEAT_SECONDS, Heartbeat
from scheduler.processes.leader import FileLock, LeaderLock, leader_lock
from scheduler.ticks.inbox import make_inbox_tick
from scheduler.web.app import make_app
from scheduler.web.serving import FrontDoor
from worker.logs import get_logger
from worker.runtime import Runtime, build_runtime
from worker.settings import Settings, SettingsError
from worker.store import leases, queue
from worker.store.runs import list_runs
from worker.store.warming import warm
from worker.throttle import connect_for_throttle

STANDBY_SECONDS: Final = 2.0
"""How often a scheduler that waits looks whether the lock is free: the lease lasts 10 s, so another leads after 12."""

LOOK_SECONDS: Final = 0.5
"""How often a scheduler that leads looks whether it still does; it costs nothing."""

PATIENCE_SECONDS: Final = leases.LEASE.total_seconds() + STANDBY_SECONDS
"""How long a process that has to be alone waits for the lease of one that was killed."""

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
    """The lock of a process that keeps the rates on its own. Raises `SettingsError` where another one does so already.

    Two of them would each keep the rate, and together send at twice the rate. Where queue and throttle are Redis's,
    any number of processes keep it together: the lock is then left for whoever runs the clock.
    """
    lock = leader_lock(runtime.store, rehearsal=runtime.rehearsal)
    if is_shared(runtime):
        return lock
    # The lease of a process that was killed lasts on for a while; the system gives a file lock back at once.
    until = runtime.clock.elapsed_seconds() + (0 if isinstance(lock, FileLock) else PATIENCE_SECONDS)
    while not lock.acquire():
        if runtime.clock.elapsed_seconds() >= until:
            raise SettingsError(taken(runtime, lock.holder()))
        runtime.clock.sleep(STANDBY_SECONDS / 4)
    return lock


def taken(runtime: Runtime, holder: str) -> str:
    """What to tell whoever cannot work on the database because another process (`holder`) does."""
    if runtime.store.is_sqlite:
        return (
            f"another process ({holder or 'unknown'}) works on the database {runtime.store.sqlite_path}; "
            "stop it first, or drop the file into its inbox"
        )
    return (
        f"another process ({holder or 'unknown'}) works on the database in CAMPAIGNS_DATABASE_URL; "
        "stop it first, or set CAMPAIGNS_REDIS_URL for both, so that they share queue and rates"
    )


def is_shared(runtime: Runtime) -> bool:
    """Whether several processes may send from the database: they then have one queue and one throttle."""
    return bool(runtime.settings.redis_url) and not runtime.rehearsal and not runtime.store.is_sqlite


def serve_all(
    settings: Settings, sandbox: tuple[str, SecretStr] | None = None, listener: socket.socket | None = None
) -> int:
    """`up`: inbox, clock and sending in one process until SIGINT or SIGTERM; the exit code.

    A second one on the same PostgreSQL and Redis sends, too, and stands by for the clock. `listener` is where the front
    door is; None: there is none.
    """
    if settings.redis_url and sandbox is None:
        require_redis(settings)
    runtime = build_runtime(settings, sandbox=sandbox)
    lock = claim_database(runtime)
    try:
        if not is_shared(runtime):
            with runtime.store.write("requeue_all") as session:
                # What an earlier process had in its queue ended with it.
                queue.requeue_runs(session, [run.id for run in list_runs(session)])
        warm(runtime.store, settings.threads)
        runtime.queue.work(settings.threads)
        get_logger().info("service.started", role="up", inbox=str(settings.inbox), threads=settings.threads)
        with stop_signals() as stop, _heartbeat(runtime) as heartbeat, _front_door(runtime, sandbox, listener):
            if is_shared(runtime):
                _lead_or_stand_by(runtime, lock, stop, heartbeat)
            else:
                _tick_until(runtime, lock, stop, heartbeat)
                if not stop.is_set():
                    raise SettingsError(taken(runtime, lock.holder()))
    finally:
        runtime.queue.stop()
        lock.release()
        runtime.close()
    get_logger().info("service.stopped", role="up")
    return stop.exit_code


def serve_scheduler(settings: Settings) -> int:
    """`scheduler`: inbox and clock; several may run, one at a time works. Until SIGINT or SIGTERM; the exit code."""
    require_redis(settings, "scheduler")
    runtime = build_runtime(settings)
    lock = leader_lock(runtime.store)
    get_logger().info("service.started", role="scheduler", inbox=str(settings.inbox))
    try:
        with stop_signals() as stop, _heartbeat(runtime) as heartbeat:
            _lead_or_stand_by(runtime, lock, stop, heartbeat)
    finally:
        lock.release()
        runtime.close()
    get_logger().info("service.stopped", role="scheduler")
    return stop.exit_code


def serve_worker(settings: Settings) -> int:
    """`worker`: sends what the scheduler queued, until SIGINT or SIGTERM; the exit code."""
    require_redis(settings, "worker")
    runtime = build_runtime(settings)
    warm(runtime.store, settings.threads)
    runtime.queue.work(settings.threads)
    get_logger().info("service.started", role="worker", threads=settings.threads)
    try:
        with stop_signals() as stop, _heartbeat(runtime) as heartbeat:
            heartbeat.beat()
            while not stop.wait(BEAT_SECONDS):
                heartbeat.beat()
                with suppress(SQLAlchemyError):  # they are read when they are needed
                    runtime.definitions.prepare_starting(runtime.account_id, runtime.clock.now())
    finally:
        runtime.close()
    get_logger().info("service.stopped", role="worker")
    return stop.exit_code


def serve_dashboard(settings: Settings, listener: socket.socket) -> int:
    """`dashboard`: the front door alone, any number of them, until SIGINT or SIGTERM; the exit code."""
    runtime = build_runtime(settings)
    get_logger().info("service.started", role="dashboard")
    try:
        with stop_signals() as stop, _heartbeat(runtime) as heartbeat, FrontDoor(make_app(runtime), listener) as door:
            while door.is_alive():
                heartbeat.beat()
                if stop.wait(BEAT_SECONDS):
                    break
            else:
                raise RuntimeError("nothing listens any more")
    finally:
        runtime.close()
    get_logger().info("service.stopped", role="dashboard")
    return stop.exit_code


def _front_door(
    runtime: Runtime, sandbox: tuple[str, SecretStr] | None, listener: socket.socket | None
) -> AbstractContextManager[object]:
    if listener is None:
        return nullcontext()
    return FrontDoor(make_app(runtime, sandbox[1] if sandbox else None), listener)


def _heartbeat(runtime: Runtime) -> Heartbeat:
    return Heartbeat(runtime, file=runtime.settings.heartbeat_file, notify_socket=os.environ.get("NOTIFY_SOCKET", ""))


def _lead_or_stand_by(runtime: Runtime, lock: LeaderLock, stop: Stop, heartbeat: Heartbeat) -> None:
    """Run the clock whenever nobody else does, until it is time to stop."""
    while not stop.is_set():
        if lock.acquire():
            _tick_until(runtime, lock, stop, heartbeat)
        heartbeat.beat()
        stop.wait(STANDBY_SECONDS)


def _tick_until(runtime: Runtime, lock: LeaderLock, stop: Stop, heartbeat: Heartbeat) -> None:
    """Run the clock until it is time to stop, or until the lock is lost."""
    ticks = {**TICKS, make_inbox_tick(): INBOX_SECONDS, heartbeat.heartbeat: BEAT_SECONDS}
    clockwork = Clockwork(replace(runtime, store=lock.guard(runtime.store)), ticks)
    clockwork.start()
    get_logger().info("scheduler.leads")
    try:
        while not stop.wait(LOOK_SECONDS):
            if not lock.is_held():
                get_logger().warning("scheduler.lost_the_lead")
                return
    finally:
        clockwork.stop()


def require_redis(settings: Settings, role: str = "") -> None:
    """Raises `SettingsError` where Redis is not set although a separate `role` needs it, or does not answer."""
    if role and not settings.redis_url:
        raise SettingsError(
            f"a separate {role} needs a shared queue: set CAMPAIGNS_REDIS_URL, "
            "or run everything in one process with `campaigns up`"
        )
    try:
        with connect_for_throttle(settings.redis_url) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise SettingsError(
            f"Redis at CAMPAIGNS_REDIS_URL does not answer ({type(error).__name__}); start it, or correct the address"
        ) from None
