"""Processes beside the one that tests, and what the sandbox's ledger says about them."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.support.json_lines import whole_lines

ROOT: Final = Path(__file__).parents[3]
COMMAND: Final = (sys.executable, "-c", "from scheduler.cli import main; main()")


VICTIM: Final = (sys.executable, "-m", "tests.prove.victim", "--crash")


def start(folder: Path, *arguments: str, crash: str = "") -> subprocess.Popen[str]:
    """A command in a process of its own, with the settings of this one; it is killed at the point `crash`."""
    command = [*VICTIM, crash, "--", *arguments] if crash else [*COMMAND, *arguments]
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(what: Callable[[], object], *, seconds: float = 60) -> None:
    """Look until it is so. Raises AssertionError when it never is."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


class Service:
    """`campaigns up`, which holds the lock of the database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None

    def start(self, *options: str) -> None:
        """Start it and wait until it works."""
        self._process = start(self._folder, "up", *options)
        lock = self._folder / "campaigns.db.lock"
        wait_until(lambda: lock.exists() and lock.read_text().strip() == str(self._pid()))

    def _pid(self) -> int:
        return self._process.pid if self._process else 0

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.communicate()
            self._process = None


def sent(folder: Path) -> Counter[str]:
    """How often the gateway took a text for each number."""
    return Counter(line["number"] for line in whole_lines(folder / "ledger.jsonl"))


def texts(folder: Path) -> list[str]:
    """Every text that the gateway took."""
    return [line["message"] for line in whole_lines(folder / "ledger.jsonl")]
