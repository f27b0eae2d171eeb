"""Noticing that this machine's wall clock was put forward or back, by the clock that never steps."""

from datetime import datetime, timedelta
from typing import Final

from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.clock_jumps import move_pauses

JUMP: Final = timedelta(seconds=10)
"""So much at once is a clock that was put; less is one that is kept right."""


def clocks(runtime: Runtime, now: datetime) -> dict[str, int]:
    """Move what was meant as a pause along with the clock. A machine that slept is none of it: both clocks went on."""
    apart = now - timedelta(seconds=runtime.clock.elapsed_seconds())
    if not runtime.clock_apart:
        runtime.clock_apart.append(apart)
    jump = apart - runtime.clock_apart[0]
    runtime.clock_apart[0] = apart
    if abs(jump) < JUMP:
        return {"jumped": 0}
    runtime.resting.clear()
    with runtime.store.write("clock_jump") as session:
        move_pauses(session, jump, now=now)
    direction = "forward" if jump > timedelta(0) else "back"
    seconds = round(abs(jump).total_seconds())
    get_logger().warning(
        "clock.jumped",
        seconds=round(jump.total_seconds()),
        says=f"this machine's clock was put {direction} by {seconds:,} s: pauses were moved along with it, and what is "
        "late now follows if_late",
    )
    return {"jumped": 1}
