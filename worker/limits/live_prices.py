"""The prices of texts, read from their file again while the service runs. The last good ones stay in force."""

import threading
from pathlib import Path
from typing import Final

from campaigns.clock import Clock, SystemClock
from campaigns.money.price_file import MOST_BYTES, PriceFileError, read_prices
from campaigns.money.prices import Prices
from worker.logs import get_logger
from worker.settings.files import PREFIX

LOOK_SECONDS: Final = 1.0
"""How old the prices may be."""


def prices_in(path: Path) -> Prices:
    """Return the prices in a file. Raises `PriceFileError`, one sentence."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise PriceFileError(str(path), 0, f"cannot be read ({reason}); {PREFIX}PRICES names it") from None
    return read_prices(str(path), content)


class LivePrices:
    """Looks at the file at most every `LOOK_SECONDS`; in between it answers from memory. For all threads."""

    def __init__(self, path: Path | None, clock: Clock | None = None) -> None:
        self._path = None if path is None else path.absolute()
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._next_look = 0.0
        self._seen: tuple[int, int, int] | None = None
        self._current: Prices | None = None
        self._error: PriceFileError | None = None
        if self._path is not None:
            self._look(self._path)

    def current(self) -> Prices | None:
        """Return the prices in force."""
        path = self._path
        if path is not None and self._clock.elapsed_seconds() >= self._next_look and self._lock.acquire(blocking=False):
            try:
                self._look(path)
            finally:
                self._lock.release()
        return self._current

    def problem(self) -> str:
        """Return why the file cannot be used now; empty: it can."""
        return str(self.error() or "")

    def error(self) -> PriceFileError | None:
        """Return the same with its place."""
        self.current()
        return self._error

    def _look(self, path: Path) -> None:
        self._next_look = self._clock.elapsed_seconds() + LOOK_SECONDS
        seen = _version(path)
        if seen is not None and seen == self._seen:
            return
        self._seen = seen
        before, self._error = str(self._error or ""), None
        try:
            self._current = prices_in(path)
        except PriceFileError as error:
            self._error = error
        problem = str(self._error or "")
        if problem and problem != before:
            stay = "the last good prices stay in force" if self._current else "nothing has a price"
            get_logger().warning("prices.not_usable", problem=problem, advice=f"correct the file; until then {stay}")
        elif before and not problem:
            get_logger().info("prices.read", file=path.name)


def _version(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
