"""Tells that nobody runs the clock, from a process that does not: alerts and notices are the clock's own work."""

import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from campaigns.alerts.conditions import Watch
from campaigns.alerts.figures import AlertName, Figures
from scheduler.processes.leader import lock_holder
from scheduler.ticks.alerts import EVERY_SECONDS, change
from scheduler.ticks.notices import NoticesTick
from worker.runtime import Runtime

_OTHERS: Final = frozenset(AlertName) - {AlertName.NO_LEASE_HOLDER}


@dataclass(slots=True)
class ClockWatch:
    """Looks every ten seconds, in a thread of its own: a mail server that hangs must not stop the heartbeat."""

    runtime: Runtime
    watch: Watch = field(default_factory=Watch)
    notices: NoticesTick = field(default_factory=NoticesTick)
    stopping: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self._look_on, name="clock-watch", daemon=True)
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stopping.set()
        if self.thread is not None:
            self.thread.join()

    def look(self) -> None:
        """Raise or clear `no_lease_holder`. While it is raised, notify: with no clock, no other process does."""
        runtime, now = self.runtime, self.runtime.clock.now()
        is_led = lock_holder(runtime.store) is not None
        figures = Figures(runtime.settings.settle_seconds, nobody_leads=not is_led)
        done = change(runtime, self.watch, figures, _OTHERS, now)
        if done["open"] and not is_led:
            self.notices(runtime, now)

    def _look_on(self) -> None:
        troubles = self.runtime.troubles
        wait_seconds = 0.0
        while not self.stopping.wait(wait_seconds):
            wait_seconds = EVERY_SECONDS
            try:
                self.look()
            except Exception as error:  # the process works on without it, and looks again
                wait_seconds = max(EVERY_SECONDS, troubles.failed("clock_watch", error, event="clock_watch.failed"))
            else:
                troubles.worked("clock_watch")
