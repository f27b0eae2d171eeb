"""Stopping a process: SIGINT and SIGTERM, each handled once."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

ENDS_AFTER_SECONDS: Final = 28.0
"""How long after it was told to stop a process ends, whatever hangs: containers are given 30 s. Nothing is lost,
because what was under way is looked up."""


class Stop:
    """Set once by SIGINT or SIGTERM; a second signal, or `ENDS_AFTER_SECONDS`, ends the process at once."""

    def __init__(self, ends_after_seconds: float = ENDS_AFTER_SECONDS) -> None:
        self._event = threading.Event()
        self._last = threading.Timer(ends_after_seconds, self._end)
        self._last.daemon = True
        self.by: signal.Signals | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        # Exit here instead of relying on the signal's default action, which process 1 of a container does not have.
        if self.by is not None:
            os._exit(128 + number)
        self.by = signal.Signals(number)
        self._event.set()
        self._last.start()

    def _end(self) -> None:
        try:
            sys.stderr.write("stopped without waiting any longer for the requests under way; they are looked up\n")
        finally:
            os._exit(self.exit_code)

    def over(self) -> None:
        """Note that the process has stopped in time."""
        self._last.cancel()

    def wait(self, seconds: float | None = None) -> bool:
        """Return whether it is time to stop, after `seconds` at the latest."""
        return self._event.wait(seconds)

    def is_set(self) -> bool:
        """Return whether it is time to stop."""
        return self._event.is_set()

    @property
    def exit_code(self) -> int:
        """130 for Ctrl-C; a service that was told to stop has done its work."""
        return 130 if self.by is signal.SIGINT else 0


@contextmanager
def stop_signals(ends_after_seconds: float = ENDS_AFTER_SECONDS) -> Iterator[Stop]:
    """A `Stop` that SIGINT and SIGTERM set while the block runs, which then has this long to end."""
    stop = Stop(ends_after_seconds)
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        stop.over()
        for number, handler in before.items():
            signal.signal(number, handler)
