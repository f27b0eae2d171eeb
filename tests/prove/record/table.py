"""What `make prove` runs, in pieces of some minutes, and how much of it is enough."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.prove.crashes import MATRIX, SAMPLE
from tests.prove.record.lines import Ended, Line
from tests.prove.spec.mutants import MUTANTS
from tests.prove.world.crash_points import matrix

EMBEDDED, FLEET = "chaos embedded", "chaos fleet"
PROCESSES: Final = (EMBEDDED, FLEET, MATRIX, SAMPLE)
"""What runs the product in real processes, with kills."""


@dataclass(frozen=True, slots=True)
class Count:
    """What is counted: the sum of these figures over all runs `of` these names; enough when it is `target`."""

    name: str
    target: int
    of: tuple[str, ...]
    figures: tuple[str, ...]

    def reached(self, lines: Sequence[Line]) -> int:
        """Return the sum so far. Of the crash matrix, what was tried without a gap from its beginning."""
        if self.of == (MATRIX,):
            return next_case(lines)
        return int(sum(line.figures.get(name, 0) for line in lines if line.what in self.of for name in self.figures))


@dataclass(frozen=True, slots=True)
class Piece:
    """A command that is repeated, each time with the next seed, until every count has reached its target.

    `command` is what follows `python -m tests.prove.`. `minutes`: how long it takes at most, on two cores.
    """

    what: str
    command: str
    minutes: float
    counts: tuple[Count, ...]

    def arguments(self, lines: Sequence[Line]) -> list[str]:
        """Return the module and its arguments, with what comes next after these lines."""
        return f"tests.prove.{self.command}".format(seed=next_seed(self.what, lines), case=next_case(lines)).split()

    def progress(self, lines: Sequence[Line]) -> float:
        """Return the share (0..1) of the target that is farthest away."""
        return min(min(1.0, count.reached(lines) / count.target) for count in self.counts)


def next_seed(what: str, lines: Sequence[Line]) -> int:
    """Return the first seed after all that were used."""
    return max((line.seed + line.seeds for line in lines if line.what == what), default=1)


def next_case(lines: Sequence[Line]) -> int:
    """Return the place of the first case of the crash matrix, with seed 1, that was not tried yet."""
    place = 0
    for line in sorted(lines, key=lambda line: line.first):
        if line.what == MATRIX and line.seed == 1 and line.first <= place:
            place = max(place, line.first + int(line.figures.get("cases", 0)))
    return place


def _alone(what: str, command: str, minutes: float, figure: str, target: int) -> Piece:
    """A piece of which one figure counts."""
    return Piece(what, command, minutes, (Count(f"{what}: {figure}", target, (what,), (figure,)),))


PIECES: Final = (
    Piece(
        EMBEDDED,
        "chaos --mode embedded --trials 4 --recipients 12500 --batch 100 --rate 2000 --kills 10 --faults 0.3 --endure"
        " --minutes 5 --life 60 --seed {seed}",
        12,
        (
            Count("recipients, one process under faults", 500_000, (EMBEDDED,), ("recipients",)),
            Count("changes that are steps of the model", 1_000_000, (EMBEDDED, FLEET), ("transitions",)),
        ),
    ),
    Piece(
        EMBEDDED,
        "chaos --mode embedded --trials 8 --recipients 4000 --batch 2 --rate 2000 --kills 3 --faults 0.5 --reads 0.4"
        " --endure --minutes 8 --life 60 --seed {seed}",
        15,
        (Count("faults of the gateway", 100_000, (EMBEDDED, FLEET), ("faults",)),),
    ),
    Piece(
        EMBEDDED,
        "chaos --mode embedded --trials 6 --recipients 3000 --batch 5 --rate 2000 --kills 60 --faults 0.4 --minutes 5"
        " --losses 1 --seed {seed}",
        12,
        (Count("kill -9", 10_000, PROCESSES, ("kills",)),),
    ),
    Piece(
        FLEET,
        "chaos --mode fleet --recipients 50000 --batch 100 --rate 2000 --kills 30 --faults 0.3 --endure --minutes 6"
        " --seed {seed}",
        13,
        (Count("recipients, a fleet under faults", 500_000, (FLEET,), ("recipients",)),),
    ),
    Piece(
        FLEET,
        "chaos --mode fleet --servers --trials 3 --recipients 6000 --batch 5 --rate 200 --kills 80 --faults 0.3"
        " --minutes 6 --seed {seed}",
        13,
        (
            Count("Redis flushed or restarted", 1_000, (FLEET,), ("Redis flushed", "Redis restarted")),
            Count("PostgreSQL crashed", 500, (FLEET,), ("PostgreSQL crashed",)),
            Count("another scheduler took over", 500, (FLEET,), ("take-overs",)),
        ),
    ),
    _alone(MATRIX, "crashes --long --from {case} --cases 172 --seed 1", 6, "cases", len(matrix(1))),
    _alone("histories", "histories --count 20000 --at-once 2 --seed {seed}", 5, "histories", 1_000_000),
    _alone("spec", "spec", 3, "mutants", len(MUTANTS)),
    _alone("ablation", "ablation --seed {seed}", 30, "rules", len(MUTANTS)),
    _alone("stops", "stops --seed {seed}", 4, "stops", 1_000),
    _alone("stops fleet", "stops --fleet --seed {seed}", 4, "stops", 1_000),
    _alone("stuck", "stuck", 3, "trials", 2),
    _alone("stuck fleet", "stuck --fleet", 3, "trials", 2),
    _alone("faults", "faults --count 5 --seed {seed}", 10, "faults", 15),
    _alone("erasing", "traces.erasing --rebuild", 3, "trials", 2),
    _alone("erasing by age", "traces.erasing --by-age", 3, "trials", 2),
    _alone("erasing fleet", "traces.erasing --fleet --rebuild", 3, "trials", 2),
    _alone("erasing fleet by age", "traces.erasing --fleet --by-age", 3, "trials", 2),
    _alone("webhook", "webhook --rounds 12", 3, "rounds", 12),
    _alone("api", "api --count 5000 --seed {seed}", 5, "calls", 10_000),
    _alone("fuzz", "fuzz --count 20000 --seed {seed}", 5, "inputs", 200_000),
    _alone("timing", "timing --count 500 --seed {seed}", 5, "campaigns", 5_000),
    _alone("capacity", "capacity --count 100 --seed {seed}", 5, "campaigns", 500),
    _alone("money", "world.money --count 200 --seed {seed}", 5, "worlds", 2_000),
    _alone("steps", "steps --count 100 --seed {seed}", 5, "campaigns", 2_000),
    _alone("year", "year", 10, "years", 1),
    _alone("week", "week --count 2 --seed {seed}", 5, "weeks", 12),
)


def unfinished(lines: Sequence[Line]) -> list[Piece]:
    """Return the pieces that have not reached their targets, the one that is farthest away first."""
    left = [piece for piece in PIECES if piece.progress(lines) < 1]
    return sorted(left, key=lambda piece: piece.progress(lines))


def failures(lines: Sequence[Line]) -> list[Line]:
    """Return the runs that broke a promise, or ended with an exception."""
    return [line for line in lines if line.broken or line.ended is Ended.FAILED]
