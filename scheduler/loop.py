"""The clock: APScheduler calls the ticks. This is the only module that knows APScheduler."""

import gc
import math
import threading
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from scheduler.rush import Rush
from scheduler.ticks.pulse import Pulse
from scheduler.ticks.table import Tick
from worker import metrics, tracing
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.leases import LostLease

FIRST_LOOK_SECONDS: Final = 10.0
"""How long a starting process waits to read what people wrote in the meantime, before it sends."""

IDLE_SECONDS: Final = 0.3
"""How often an idle process checks whether there is anything to send. A call costs 0.3 ms, mostly in APScheduler: with
ten a second, a fifth of an idle service. A run that starts is noticed at once, a run that a person resumes within this
time."""

CLOCK_LOOK_SECONDS: Final = 1.0
"""How often the wall clock is compared with the one that never steps."""

ASLEEP_SECONDS: Final = 10.0
"""A process that looks at its clocks this late was suspended, or its machine was."""


class Repeatedly(BaseTrigger):  # type: ignore[misc]  # untyped in APScheduler
    """Calls a tick every so many seconds, which may change.

    What was missed is passed over in one step. APScheduler asks for one moment after the other until one is to come:
    after a week, of which a laptop slept or the clock was put forward, that took 30 s for one tick, and 49 MB a day.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        step = timedelta(seconds=self._seconds())
        at = (previous_fire_time or now) + step
        return at if at > now else at + ((now - at) // step + 1) * step


class Clockwork:
    """Calls ticks in the background until it is stopped. A tick that fails is logged and rests for some seconds.

    `renew` returns the same ticks without their memory: that is wrong once the wall clock is put back, or the process
    has slept.
    """

    def __init__(
        self,
        runtime: Runtime,
        ticks: Collection[Tick],
        rush: Rush,
        pulse: Pulse | None = None,
        renew: Callable[[], Collection[Tick]] | None = None,
    ) -> None:
        self._runtime = runtime
        self._renew = renew or (lambda: ticks)
        self._rush = rush
        self._pulse = pulse or Pulse()
        self._names = [tick.name for tick in ticks]
        self._idle_by: str | None = None  # the tick that found nothing to send; by name, as ticks are made anew
        self._failed_until_seconds: dict[str, float] = {}
        self._due_seconds: dict[str, float] = {}
        self._first = [tick for tick in ticks if tick.is_first]
        self._stopping = threading.Event()
        self._watch = threading.Thread(target=self._watch_clocks, name="clocks", daemon=True)
        # One thread per tick: a slow read of receipts must not hold up batches.
        self._scheduler = BackgroundScheduler(timezone="UTC", executors={"default": ThreadPoolExecutor(len(ticks))})
        for tick in ticks:
            self._scheduler.add_job(
                self._call,
                Repeatedly(partial(self._every_seconds, tick)),
                args=[tick],
                id=tick.name,
                coalesce=True,
                max_instances=1,
                misfire_grace_time=None,
            )

    def _call(self, tick: Tick) -> None:
        name, troubles, clock = tick.name, self._runtime.troubles, self._runtime.clock
        began = clock.elapsed_seconds()
        metrics.observe(metrics.TICK_DELAY, began - self._due_seconds.get(name, began))
        self._due_seconds[name] = began + self._every_seconds(tick)
        if began < self._failed_until_seconds.get(name, -math.inf):
            return
        try:
            is_done = self._carry_out(tick)
        except LostLease:
            get_logger().warning("tick.fenced", tick=name)  # another process does this now
        except Exception as error:
            pause = troubles.failed(name, error, event="tick.failed", tick=name)
            self._failed_until_seconds[name] = clock.elapsed_seconds() + pause
        else:
            self._pulse.worked(name, clock.elapsed_seconds())
            if is_done:
                troubles.worked(name)

    def _carry_out(self, tick: Tick) -> bool:
        """Return whether the tick did its work: a tick that rests says nothing about what kept it from working."""
        clock = self._runtime.clock
        now_seconds = clock.elapsed_seconds()
        if tick.for_work and self._idle_by not in (None, tick.name):
            return False
        if tick.can_wait and self._rush.is_on(now_seconds):
            return False
        with tracing.span("tick", tick=tick.name) as note:
            done = tick(self._runtime, clock.now())
            note(**done)
        idle = self._idle_by
        if done.get("idle"):
            self._idle_by = tick.name
        elif done and (idle == tick.name or done.get("started")):
            self._idle_by = None
            if idle not in (None, tick.name):
                self._scheduler.modify_job(idle, next_run_time=datetime.now(UTC))
        return bool(done)

    def _every_seconds(self, tick: Tick) -> float:
        return max(tick.every, IDLE_SECONDS) if tick.for_work and self._idle_by is not None else tick.every

    def start(self) -> None:
        """Begin with the replies: a STOP that arrived while nothing was running is read before anything is sent."""
        self._pulse.begin(self._names, self._runtime.clock.elapsed_seconds())
        for tick in self._first:
            first = threading.Thread(target=self._call, args=[tick], daemon=True)
            first.start()
            first.join(FIRST_LOOK_SECONDS)  # a gateway that does not answer must not keep the rest from working
        gc.freeze()  # as a queue worker does
        self._scheduler.start()
        self._watch.start()

    def stop(self) -> None:
        """Make no more calls, and wait for the ticks that are running."""
        self._stopping.set()
        self._watch.join()
        self._scheduler.shutdown(wait=True)
        gc.unfreeze()

    def _watch_clocks(self) -> None:
        """Make every tick due again, and forget what it remembers, when the wall clock is put back, and after a sleep.

        APScheduler calls a job at a moment of the wall clock: put back by an hour, it would call nothing for that hour.
        A tick that remembers such a moment would wait as long, and one that slept through an hour with its machine, in
        the middle of a look, would rest many times as long as that look seemed to take.
        """
        clock = self._runtime.clock
        wall, elapsed = time.time() - time.monotonic(), clock.elapsed_seconds()
        while not self._stopping.wait(CLOCK_LOOK_SECONDS):
            wall_before, wall = wall, time.time() - time.monotonic()
            elapsed_before, elapsed = elapsed, clock.elapsed_seconds()
            if wall < wall_before - CLOCK_LOOK_SECONDS or elapsed > elapsed_before + ASLEEP_SECONDS:
                self._idle_by = None
                now = datetime.now(UTC)
                for tick in self._renew():
                    self._scheduler.modify_job(tick.name, args=[tick], next_run_time=now)
