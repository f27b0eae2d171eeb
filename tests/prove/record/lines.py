"""What each run of the proof leaves: one line in a file, also when it is interrupted. Nothing else writes or reads it.

The file lies beside the proof and outside of Git: a line names the commit that it is about, so it could only be in a
later one, and a checkout in which something was proved would count as changed.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Any, Final

from tests.prove.record.version import version
from tests.support.json_lines import whole_lines

RESULTS: Final = Path(os.environ.get("PROOF_RESULTS") or Path(__file__).parents[1] / "results.jsonl")
"""PROOF_RESULTS: another file, for example one that several checkouts share."""

INTERRUPTED: Final = 130


class Ended(StrEnum):
    """How a run ended."""

    COMPLETE = "complete"
    CUT_OFF = "cut off"  # interrupted: its figures are of what it got to
    FAILED = "failed"  # an exception: a fault of the proof, or something that the product never did


@dataclass(frozen=True, slots=True)
class Line:
    """One run. `seeds`: how many it used, from `seed` on. `first`: the place where it began in what it goes through.

    `began_at` is an ISO moment in UTC. `load`: the load average (1 minute) before and after. `figures` are added up
    over the runs of a version. `broken`: the number of broken promises.
    """

    what: str
    seed: int
    seeds: int
    first: int
    arguments: str
    version: str
    is_dirty: bool
    began_at: str
    seconds: float
    load: tuple[float, float]
    figures: Mapping[str, float]
    broken: int
    ended: Ended

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Line":
        """Return the line that `write` wrote."""
        return cls(**{**kept, "load": tuple(kept["load"]), "ended": Ended(kept["ended"])})


@dataclass(slots=True)
class Recording:
    """A run that is under way: what it has found so far."""

    seeds: int = 1
    broken: int = 0
    figures: dict[str, float] = field(default_factory=dict)

    def add(self, figures: Mapping[str, float], *, broken: int = 0) -> None:
        """Count these figures and broken promises."""
        self.broken += broken
        for name, figure in figures.items():
            self.figures[name] = self.figures.get(name, 0) + figure


@contextmanager
def recording(what: str, *, seed: int = 1, first: int = 0, path: Path = RESULTS) -> Iterator[Recording]:
    """Write a line when the block ends, however it ends. SIGTERM interrupts it as Ctrl-C does: exit code 130."""
    found = Recording()
    # At the beginning: somebody may go on working in the checkout meanwhile.
    proved, is_dirty = version()
    began_at, began, load = datetime.now(UTC), time.monotonic(), os.getloadavg()[0]
    ended = Ended.FAILED
    try:
        with terminable():
            yield found
        ended = Ended.COMPLETE
    except KeyboardInterrupt:
        ended = Ended.CUT_OFF
        raise SystemExit(INTERRUPTED) from None
    finally:
        line = Line(
            what, seed, found.seeds, first, " ".join(sys.argv[1:]), proved, is_dirty,
            began_at.isoformat(timespec="seconds"), round(time.monotonic() - began, 1),
            (round(load, 2), round(os.getloadavg()[0], 2)), found.figures, found.broken, ended,
        )  # fmt: skip
        write(line, path)


@contextmanager
def terminable() -> Iterator[None]:
    """SIGINT and SIGTERM raise `KeyboardInterrupt` in the main thread; a shell starts what is in the background with
    SIGINT ignored."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def write(line: Line, path: Path = RESULTS) -> None:
    """Append a line: in one write, because several runs may end at once."""
    with path.open("ab", buffering=0) as file:
        file.write(json.dumps(asdict(line)).encode() + b"\n")


def read(path: Path = RESULTS) -> list[Line]:
    """Every line, oldest first."""
    return [Line.from_json(kept) for kept in whole_lines(path)] if path.exists() else []


def of_this_version(path: Path = RESULTS) -> list[Line]:
    """Every line about the product as it is in this checkout."""
    proved, _ = version()
    return [line for line in read(path) if line.version == proved]
