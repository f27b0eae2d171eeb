"""When a process stops: SIGINT and SIGTERM, each heard once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Set once by SIGINT or SIGTERM; a second signal ends the process at once."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.by: signal.Signals | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self.by = signal.Signals(number)
        self._event.set()
        signal.signal(number, signal.SIG_DFL)

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it is time to stop, at the latest after `seconds`."""
        return self._event.wait(seconds)

    def is_set(self) -> bool:
        """Whether it is time to stop."""
        return self._event.is_set()

    @property
    def exit_code(self) -> int:
        """130 for Ctrl-C; a service that was told to stop has done its work."""
        return 130 if self.by is signal.SIGINT else 0


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """A `Stop` that SIGINT and SIGTERM set while the block runs."""
    stop = Stop()
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
