"""A wall clock for processes that only the test moves: a file says how far off it is.

Use `--patch tests.support.clock_file:follow` of `tests.prove.world.victim`; whatever such a process starts gets it from
`sitecustomize`.
"""

import os
import time
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final

from campaigns.clock import SystemClock

FILE: Final = "CLOCK_FILE"
"""Name of the environment variable with the file's path."""


class ClockFile:
    """The clock of all processes that have `environment`."""

    def __init__(self, folder: Path, start: datetime) -> None:
        self._file = folder / "clock"
        hook = folder / "python"
        hook.mkdir()
        (hook / "sitecustomize.py").write_text("from tests.support.clock_file import follow\nfollow()\n")
        self.environment = {FILE: str(self._file)}
        self.python_path = str(hook)
        self.set(start)

    def set(self, moment: datetime) -> None:
        """Make it this moment now; time passes from there."""
        new = self._file.with_suffix(".new")
        new.write_text(str((moment - datetime.now(UTC)).total_seconds()))
        new.replace(self._file)


def follow() -> None:
    """Make this process's wall clock wrong by what the file says."""
    file = Path(os.environ[FILE])

    def now(_: SystemClock) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(file.read_text()))

    SystemClock.now = now  # type: ignore[method-assign, assignment]  # a wrong clock for a whole process is what is asked for


def follow_everywhere() -> None:
    """The same for all that a service asks for the time, APScheduler included, as if the machine's clock were put."""
    from apscheduler.schedulers import base  # here: each sandbox imports this file, and these two take a second

    from scheduler import loop

    follow()
    file, honest = Path(os.environ[FILE]), time.time

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # a plain one
            return datetime.now(tz) + timedelta(seconds=float(file.read_text()))

    for module in (base, loop):
        vars(module)["datetime"] = Wrong
    time.time = lambda: honest() + float(file.read_text())


def follow_as_if_it_passed() -> None:
    """The same, and as much time passes: what the file says is no step of a clock, but time that the process slept."""
    follow_everywhere()
    file = Path(os.environ[FILE])
    honest, honest_elapsed = time.monotonic, SystemClock.elapsed_seconds

    def elapsed_seconds(clock: SystemClock) -> float:
        return honest_elapsed(clock) + float(file.read_text())

    SystemClock.elapsed_seconds = elapsed_seconds  # type: ignore[method-assign, assignment]  # as above
    time.monotonic = lambda: honest() + float(file.read_text())
