"""Finds what died: jobs that nobody took, and requests whose process ended before it stored an outcome."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from scheduler.ticks.clocks import WallClock
from scheduler.ticks.every import LOOK_AHEAD, Quiet
from worker import metrics
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.sending import doubts, queue

REPLY_GRACE: Final = timedelta(seconds=2)
"""A request made just before `send_by` still has this long until its attempt counts as abandoned.

Being too early costs only a look-up: the late reply finds its attempt decided or decides it itself, never both.
"""


@dataclass(slots=True)
class RescueTick:
    """Gives lost jobs back to the plan; puts abandoned requests in doubt, so that they are looked up.

    Age is measured by the wall clock, so first check whether that was set forward or back.
    """

    wall_clock: WallClock = field(default_factory=WallClock)
    quiet: Quiet = field(default_factory=Quiet)

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        self.wall_clock.look(runtime, now)
        version = runtime.store.version()
        if self.quiet.lasts(version, now):
            return {"requeued": 0, "abandoned": 0}
        is_old, is_stale = _look(runtime, now)
        if not is_old and not is_stale:
            until = now + LOOK_AHEAD
            self.quiet.found_nothing(version, lambda: now if any(_look(runtime, until)) else until)
            return {"requeued": 0, "abandoned": 0}
        is_emptied = is_old and runtime.queue.outstanding() == 0
        age = queue.EMPTIED_AFTER if is_emptied else queue.QUEUED_TOO_LONG
        with runtime.store.read() as session:
            if not is_stale and not (is_old and queue.any_lost(session, now, age=age)):
                return {"requeued": 0, "abandoned": 0}
        with runtime.store.write("rescue") as session:
            requeued = queue.requeue_lost(session, now, age=age)
            abandoned = doubts.abandon_stale(session, now=now, grace=REPLY_GRACE)
        metrics.count(metrics.IN_DOUBT, amount=abandoned)
        if requeued or abandoned:
            get_logger().warning("batches.rescued", requeued=requeued, in_doubt=abandoned)
        return {"requeued": requeued, "abandoned": abandoned}


def _look(runtime: Runtime, now: datetime) -> tuple[bool, bool]:
    """Return whether a job is old, and whether a request was abandoned."""
    with runtime.store.read() as session:
        is_old = queue.any_lost(session, now, age=queue.EMPTIED_AFTER)
        return is_old, doubts.any_stale(session, now=now, grace=REPLY_GRACE)
