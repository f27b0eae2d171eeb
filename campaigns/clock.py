"""Time is passed in: code that needs the time asks a `Clock`."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the product needs to know about time. Tests pass a clock that they move themselves."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        ...

    def elapsed_seconds(self) -> float:
        """Seconds since an arbitrary start. Never jumps, and keeps counting while the machine is suspended."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def elapsed_seconds(self) -> float:
        # CLOCK_BOOTTIME, not CLOCK_MONOTONIC: the latter stops during suspend, and a laptop that wakes up after an
        # hour must not believe that it is still within the 30 s in which it may write a request.
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.monotonic()  # macOS: its monotonic clock includes suspend

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
