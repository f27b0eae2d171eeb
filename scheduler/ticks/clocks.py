"""Detects that this machine's wall clock was changed, by comparing it with the monotonic clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.runs.clock_jumps import begun_when_dropped, move_pauses

JUMP: Final = timedelta(seconds=10)
"""A step this large means that the clock was set; smaller ones are ordinary corrections."""


@dataclass(slots=True)
class WallClock:
    """Compares the wall clock with the monotonic clock, as of the last look."""

    began: datetime | None = None  # what it showed when the other clock began
    looked_seconds: float = 0.0  # the last look, by the other clock

    def look(self, runtime: Runtime, now: datetime) -> None:
        """Move pauses along with a changed clock. A suspended machine changes nothing: both clocks went on."""
        at_seconds = runtime.clock.elapsed_seconds()
        began = now - timedelta(seconds=at_seconds)
        jump = began - (self.began or began)
        if abs(jump) >= JUMP:
            self._jumped(runtime, now, jump, since_look=timedelta(seconds=at_seconds - self.looked_seconds))
        self.began, self.looked_seconds = began, at_seconds  # last: a jump that could not be stored is found again

    def _jumped(self, runtime: Runtime, now: datetime, jump: timedelta, *, since_look: timedelta) -> None:
        send_by, half = timedelta(seconds=runtime.settings.send_by_seconds), abs(jump) / 2
        by_new_clock = now + send_by - min(since_look, half), now + send_by + half
        with runtime.store.write("clock_jump") as session:
            found = [(id_, runtime.definitions.find(of)) for id_, of in begun_when_dropped(session)]
            without_start = [id_ for id_, definition in found if definition and definition.schedule.start is None]
            move_pauses(session, jump, now=now, by_new_clock=by_new_clock, without_start=without_start)
        direction = "forward" if jump > timedelta(0) else "back"
        seconds = round(abs(jump).total_seconds())
        get_logger().warning(
            "clock.jumped",
            seconds=round(jump.total_seconds()),
            says=f"this machine's clock was set {direction} by {seconds:,} s: pauses were moved with it, and "
            "what is late now follows if_late",
        )
