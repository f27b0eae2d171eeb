"""The services with the clock: everything in one (`up`), or the `scheduler` apart, until they are told to stop."""

from dataclasses import replace
from typing import Final

from pydantic import SecretStr

from scheduler.loop import Clockwork
from scheduler.processes.doors import Listeners, Tell, open_doors
from scheduler.processes.heartbeat import BEAT_SECONDS, Heartbeat
from scheduler.processes.leader import LeaderLock, leader_lock
from scheduler.processes.sender_lock import STANDBY_SECONDS, claim_database, is_shared, taken
from scheduler.processes.services.attended import heartbeat_of, metrics_door
from scheduler.processes.starting import started
from scheduler.processes.stopping import Stop
from scheduler.ticks.inbox import InboxTick
from scheduler.ticks.table import Tick, Ticks
from scheduler.web.checkup import Examine
from worker import metrics
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.settings.settings import Settings, SettingsError
from worker.store.runs.runs import list_runs
from worker.store.sending import queue
from worker.store.sending.warming import warm

LOOK_SECONDS: Final = 0.5
"""How often a leading scheduler checks whether it still leads; it costs nothing."""

INBOX_SECONDS: Final = 0.5


def serve_all(
    settings: Settings,
    stop: Stop,
    sandbox: tuple[str, SecretStr] | None = None,
    *,
    at: Listeners,
    tell: Tell,
    examine: Examine,
) -> int:
    """`up`: inbox, clock and sending in one process until told to stop; return the exit code.

    A second one on the same PostgreSQL and Redis sends, too, and stands by for the clock. `at`: where it listens;
    `tell` gets the first-run link; `examine` checks the installation for those who ask.
    """
    runtime = started(settings, stop, sandbox=sandbox)
    if runtime is None:
        return stop.exit_code
    lock = claim_database(runtime, stop)
    try:
        if not is_shared(runtime) and not stop.is_set():
            with runtime.store.write("requeue_all") as session:
                # Whatever an earlier process had in its queue ended with it.
                queue.requeue_runs(session, [run.id for run in list_runs(session)])
        warm(runtime.store, settings.threads)
        runtime.queue.work(settings.threads)
        get_logger().info("service.started", role="up", inbox=str(settings.inbox), threads=settings.threads)
        doors = open_doors(runtime, at, sandbox[1] if sandbox else None, tell, examine)
        with metrics_door(settings), heartbeat_of(runtime, "up") as heartbeat, doors:
            if is_shared(runtime):
                _lead_or_stand_by(runtime, lock, stop, heartbeat)
            elif not stop.is_set():
                _tick_until(runtime, lock, stop, heartbeat)
                if not stop.is_set():
                    raise SettingsError(taken(runtime, lock.holder()))
    finally:
        runtime.queue.stop()
        lock.release()
        runtime.close()
    get_logger().info("service.stopped", role="up")
    return stop.exit_code


def serve_scheduler(settings: Settings, stop: Stop) -> int:
    """`scheduler`: inbox and clock, until told to stop; return the exit code. Of several, one works at a time."""
    runtime = started(settings, stop, role="scheduler")
    if runtime is None:
        return stop.exit_code
    lock = leader_lock(runtime.store, runtime.troubles)
    get_logger().info("service.started", role="scheduler", inbox=str(settings.inbox))
    try:
        with metrics_door(settings), heartbeat_of(runtime, "scheduler") as heartbeat:
            _lead_or_stand_by(runtime, lock, stop, heartbeat)
    finally:
        lock.release()
        runtime.close()
    get_logger().info("service.stopped", role="scheduler")
    return stop.exit_code


def _lead_or_stand_by(runtime: Runtime, lock: LeaderLock, stop: Stop, heartbeat: Heartbeat) -> None:
    """Run the clock whenever nobody else does, until it is time to stop."""
    while not stop.is_set():
        if lock.acquire():
            _tick_until(runtime, lock, stop, heartbeat)
        heartbeat.beat()
        stop.wait(STANDBY_SECONDS)


def _tick_until(runtime: Runtime, lock: LeaderLock, stop: Stop, heartbeat: Heartbeat) -> None:
    """Run the clock until it is time to stop, or until the lock is lost."""
    beats = Tick("heartbeat", BEAT_SECONDS, heartbeat.heartbeat)

    def every(ticks: Ticks) -> list[Tick]:
        return [*ticks.all, Tick("inbox", INBOX_SECONDS, InboxTick(ticks.rush, stop.is_set)), beats]

    ticks = Ticks()  # their memory is of this lead: it may have become wrong while another process led
    guarded = replace(runtime, store=lock.guard(runtime.store))
    clockwork = Clockwork(guarded, every(ticks), ticks.rush, ticks.pulse, renew=lambda: every(Ticks(ticks)))
    clockwork.start()
    get_logger().info("scheduler.leads")
    try:
        while not stop.wait(LOOK_SECONDS):
            if not lock.is_held():
                get_logger().warning("scheduler.lost_the_lead")
                return
    finally:
        clockwork.stop()
        metrics.forget_facts()
