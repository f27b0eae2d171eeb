"""Time is passed in: everything that asks what time it is asks a `Clock`."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the product needs of time; tests pass one that they move themselves."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        ...

    def elapsed_seconds(self) -> float:
        """Seconds since an arbitrary start; never steps, and goes on while the machine is suspended."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def elapsed_seconds(self) -> float:
        # CLOCK_BOOTTIME and not CLOCK_MONOTONIC: the latter stands still during suspend, and a laptop that wakes up
        # after an hour must not believe that it is still within the 30 s in which it may write a request.
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.monotonic()  # macOS: its monotonic clock counts suspend already

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
