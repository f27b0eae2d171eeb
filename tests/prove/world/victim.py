"""The product in a process that ends itself: `python -m tests.prove.world.victim --crash POINT:NTH -- run FILE --json`.

`--crash POINT:NTH`: SIGKILL when the point is reached for the NTH time. `--list-points FILE`: append the points reached
to a file, one per line. `--clock-offset SECONDS`: how far off the wall clock is. `--patch MODULE:FUNCTION`: call this
before anything else, to remove a rule. After `--` comes the ordinary command line.
"""

import argparse
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Final, NoReturn

from campaigns.clock import SystemClock
from worker import crashpoints

FIRST: Final = 1


class Fate:
    """Counts the points that this process reaches, and ends it at the chosen one. Any thread may call it."""

    def __init__(self, point: str, nth: int, kill: Callable[[], None], points: Path | None = None) -> None:
        self._point, self._nth, self._kill = point, nth, kill
        self._points = points
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def reached(self, name: str) -> None:
        """The process is at this point."""
        with self._lock:  # held while it ends: no other thread passes a point in the meantime
            self._counts[name] += 1
            if self._points is not None:
                with self._points.open("a", encoding="ascii") as file:
                    file.write(f"{name}\n")
            if name == self._point and self._counts[name] == self._nth:
                self._kill()


def parse_crash(text: str) -> tuple[str, int]:
    """`post:replied:2` is the point `post:replied`, the second time; without a count, the first. ("", 0): none."""
    point, _, nth = text.rpartition(":")
    return (point, int(nth)) if nth.isdigit() else (text, FIRST if text else 0)


def move_clock(by: timedelta) -> None:
    """Make this process's wall clock wrong by this much."""
    honest = SystemClock.now

    def now(self: SystemClock) -> datetime:
        return honest(self) + by

    SystemClock.now = now  # type: ignore[method-assign]  # a wrong clock for a whole process is what is asked for


def main(arguments: list[str]) -> NoReturn:
    """Arm the points, then run `campaigns`."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.prove.world.victim", description="The product, soon to be killed."
    )
    parser.add_argument("--crash", type=parse_crash, default=("", 0), metavar="POINT:NTH")
    parser.add_argument("--list-points", type=Path, metavar="FILE")
    parser.add_argument("--clock-offset", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--patch", action="append", default=[], metavar="MODULE:FUNCTION")
    parser.add_argument("command", nargs="+", help="after `--`: a command line of `campaigns`")
    options = parser.parse_args(arguments)
    for patch in options.patch:
        module, _, function = patch.partition(":")
        getattr(import_module(module), function)()
    if options.clock_offset:
        move_clock(timedelta(seconds=options.clock_offset))
    point, nth = options.crash
    crashpoints.arm(Fate(point, nth, _kill, options.list_points).reached)
    sys.argv = ["campaigns", *options.command]
    from scheduler.cli import main as campaigns  # here: what a patch replaces must be in place first

    campaigns()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
