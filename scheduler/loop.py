"""The clock: APScheduler calling the ticks. The only module that knows APScheduler."""

import gc
import math
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from scheduler.inbox.status import CAN_WAIT
from scheduler.ticks.drain import drain
from scheduler.ticks.finish import finish
from scheduler.ticks.follow import follow
from scheduler.ticks.forget import forget
from scheduler.ticks.late import late
from scheduler.ticks.notices import notices
from scheduler.ticks.probe import probe
from scheduler.ticks.reconcile import reconcile
from scheduler.ticks.replies import replies
from scheduler.ticks.rescue import rescue
from scheduler.ticks.retry import retry
from scheduler.ticks.start import start
from scheduler.ticks.stuck import stuck
from scheduler.ticks.unsubscribe import unsubscribe
from scheduler.ticks.watch import watch
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.leases import LostLead

FIRST_LOOK_SECONDS: Final = 10.0
"""How long a process that starts waits for what people wrote meanwhile, before it sends."""

Tick = Callable[[Runtime, datetime], Mapping[str, int]]

TICKS: Final[Mapping[Tick, float]] = {
    start: 0.4,
    drain: 0.1,
    late: 1.0,
    rescue: 1.0,
    reconcile: 0.5,
    follow: 0.5,
    retry: 1.0,
    finish: 0.5,
    probe: 1.0,
    watch: 5.0,
    stuck: 5.0,
    replies: 1.0,
    unsubscribe: 1.0,
    notices: 1.0,
    forget: 60.0,
}
"""Every tick and how many seconds lie between two of its calls."""


FOR_WORK: Final = frozenset({drain, finish})
"""What has nothing to do while no run sends, or waits for what it sent."""

FOR_LATER: Final = frozenset({finish, notices})
"""What can wait some seconds where many runs begin together. Not replies: one of them may be STOP."""

IDLE_SECONDS: Final = 0.3
"""How often it is asked whether anything is to be sent while nothing is: asking cost a third of an idle service. What
`start` begins is looked at at once, what a person resumes within this time."""


class Clockwork:
    """Calls ticks in the background until it is stopped. One that fails is told, rests some seconds, goes on."""

    def __init__(self, runtime: Runtime, ticks: Mapping[Tick, float] = TICKS) -> None:
        self._runtime = runtime
        self._rests_until_seconds = 0.0
        self._failed_until_seconds: dict[str, float] = {}
        self._hears_replies = replies in ticks
        # One thread a tick: a slow read of receipts must not keep batches waiting.
        self._scheduler = BackgroundScheduler(timezone="UTC", executors={"default": ThreadPoolExecutor(len(ticks))})
        for tick, seconds in ticks.items():
            self._scheduler.add_job(
                self._call,
                IntervalTrigger(seconds=seconds, timezone="UTC"),
                args=[tick],
                id=tick.__name__,
                coalesce=True,
                max_instances=1,
                misfire_grace_time=None,
            )

    def _call(self, tick: Tick) -> None:
        name, troubles, clock = tick.__name__, self._runtime.troubles, self._runtime.clock
        if clock.elapsed_seconds() < self._failed_until_seconds.get(name, -math.inf):
            return
        try:
            is_done = self._carry_out(tick)
        except LostLead:
            get_logger().warning("tick.fenced", tick=name)  # another process does this now
        except Exception as error:
            pause = troubles.failed(name, error, event="tick.failed", tick=name)
            self._failed_until_seconds[name] = clock.elapsed_seconds() + pause
        else:
            if is_done:
                troubles.worked(name)

    def _carry_out(self, tick: Tick) -> bool:
        """Whether it did what it does: one that rests shows nothing about what kept it from working."""
        clock, next_looks = self._runtime.clock, self._runtime.next_looks
        now_seconds = clock.elapsed_seconds()
        if tick in FOR_WORK and now_seconds < self._rests_until_seconds:
            return False
        if tick in FOR_LATER and now_seconds < next_looks.get(CAN_WAIT, -math.inf):
            return False
        rests = now_seconds < next_looks.get(tick.__name__, -math.inf)
        done = tick(self._runtime, clock.now())
        if tick is drain:
            self._rests_until_seconds = clock.elapsed_seconds() + IDLE_SECONDS if done.get("idle") else 0.0
        elif done.get("started"):
            self._rests_until_seconds = 0.0
        return not rests

    def start(self) -> None:
        """Begin; with replies, for who wrote STOP while nothing ran is heard before anything is sent."""
        if self._hears_replies:
            first = threading.Thread(target=self._call, args=[replies], daemon=True)
            first.start()
            first.join(FIRST_LOOK_SECONDS)  # a gateway that does not answer must not keep the rest from working
        gc.freeze()  # as a queue does that is worked on
        self._scheduler.start()

    def stop(self) -> None:
        """Call nothing any more, and wait for the ticks that run."""
        self._scheduler.shutdown(wait=True)
        gc.unfreeze()
