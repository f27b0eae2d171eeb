"""`dashboard`: the doors alone. Apart from `clock`: it has no clock."""

from contextlib import nullcontext

from scheduler.processes.clock_watch import ClockWatch
from scheduler.processes.doors import Listeners, Tell, open_doors
from scheduler.processes.heartbeat import BEAT_SECONDS
from scheduler.processes.services.attended import heartbeat_of, metrics_door
from scheduler.processes.starting import started
from scheduler.processes.stopping import Stop
from scheduler.web.checkup import Examine
from worker.logs import get_logger
from worker.settings.settings import Settings


def serve_dashboard(settings: Settings, stop: Stop, at: Listeners, tell: Tell, examine: Examine) -> int:
    """`dashboard`: the doors alone, until told to stop; return the exit code. Any number of them may run."""
    runtime = started(settings, stop)
    if runtime is None:
        return stop.exit_code
    get_logger().info("service.started", role="dashboard")
    try:
        apart = nullcontext() if at.front else metrics_door(settings)
        doors_open = open_doors(runtime, at, None, tell, examine)
        with apart, heartbeat_of(runtime, "dashboard") as heartbeat, doors_open as doors, ClockWatch(runtime):
            while all(door.is_alive() for door in doors):
                heartbeat.beat()
                if stop.wait(BEAT_SECONDS):
                    break
            else:
                raise RuntimeError("nothing listens any more")
    finally:
        runtime.close()
    get_logger().info("service.stopped", role="dashboard")
    return stop.exit_code
