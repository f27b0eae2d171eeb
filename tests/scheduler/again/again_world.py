"""Processes next to the testing one, and what the sandbox's ledger says about them."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Final

from tests.support import nursery
from tests.support.json_lines import whole_lines

ROOT: Final = Path(__file__).parents[3]
_names = count(1)


@dataclass(frozen=True, slots=True)
class Started:
    """A command in a process of its own, and the file with its standard output."""

    process: ForkServerProcess
    output: Path

    def code(self, *, seconds: float = 90) -> int:
        """Wait for its end; return its exit code."""
        self.process.join(seconds)
        assert self.process.exitcode is not None, "it did not end"
        return self.process.exitcode


def start(folder: Path, *arguments: str, crash: str = "") -> Started:
    """A command in a process of its own, with the settings of this one; it is killed at the point `crash`."""
    output = folder / f"{arguments[0]}-{next(_names)}.stdout"
    process = nursery.start(
        ["--crash", crash, "--", *arguments],
        folder=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=output,
        stderr=output.with_suffix(".stderr"),
    )
    return Started(process, output)


def wait_until(what: Callable[[], object], *, seconds: float = 60) -> None:
    """Wait until it is so. Raises AssertionError if it never is."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


class Service:
    """`campaigns up`, which holds the lock of the database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: ForkServerProcess | None = None

    def start(self, *options: str) -> None:
        """Start it and wait until it works."""
        self._process = start(self._folder, "up", *options).process
        lock = self._folder / "campaigns.db.lock"
        wait_until(lambda: lock.exists() and lock.read_text().strip() == str(self._pid()))

    def _pid(self) -> int:
        return (self._process and self._process.pid) or 0

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it, if it is running."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid(), number)
            self._process.join()
            self._process = None


def sent(folder: Path) -> Counter[str]:
    """How often the gateway accepted a text for each number."""
    return Counter(line["number"] for line in whole_lines(folder / "ledger.jsonl"))


def texts(folder: Path) -> list[str]:
    """Every text that the gateway accepted."""
    return [line["message"] for line in whole_lines(folder / "ledger.jsonl")]
