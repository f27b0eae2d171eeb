"""`worker`: sending alone. Apart from `clock`: it has neither clock nor doors, and does not load them."""

from contextlib import suppress

from scheduler.processes.clock_watch import ClockWatch
from scheduler.processes.heartbeat import BEAT_SECONDS
from scheduler.processes.services.attended import heartbeat_of, metrics_door
from scheduler.processes.starting import started
from scheduler.processes.stopping import Stop
from worker.logs import get_logger
from worker.settings.settings import Settings
from worker.store.errors import STORE_FAILS
from worker.store.sending.warming import warm


def serve_worker(settings: Settings, stop: Stop) -> int:
    """`worker`: send what the scheduler queued, until told to stop; return the exit code."""
    runtime = started(settings, stop, role="worker")
    if runtime is None:
        return stop.exit_code
    warm(runtime.store, settings.threads)
    runtime.queue.work(settings.threads)
    get_logger().info("service.started", role="worker", threads=settings.threads)
    try:
        with metrics_door(settings), heartbeat_of(runtime, "worker") as heartbeat, ClockWatch(runtime):
            heartbeat.beat()
            while not stop.wait(BEAT_SECONDS):
                heartbeat.beat()
                with suppress(*STORE_FAILS):  # they are read when they are needed
                    runtime.definitions.prepare_starting(runtime.account_id, runtime.clock.now())
    finally:
        runtime.close()
    get_logger().info("service.stopped", role="worker")
    return stop.exit_code
