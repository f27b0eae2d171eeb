"""Random histories of the send protocol, the long form: `python -m tests.prove.histories --count 200000 --seed 1`.

Each history is made from its own seed (`seed`:number), so that one that breaks a promise can be run alone with
`--only`. `--without RULE` leaves out a rule of the protocol: this must double or lose texts, or else the rule (or this
proof) is useless.
"""

import argparse
import multiprocessing
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, Self

from campaigns.definition import OnUnknown
from campaigns.protocol.matching import FEWEST_TO_KNOW_BY_NUMBERS
from tests.prove.model.ending import Books, judge, settle
from tests.prove.model.gateway import LATEST_COMMIT, SHAPES, Dress, Mood, SendFault, Storing
from tests.prove.model.service import Flaw
from tests.prove.model.world import World
from tests.prove.record.lines import recording

NUMBERS: Final = tuple(f"+3933300000{place:02d}" for place in range(12))
TEXTS: Final = ("Hello", "Sale today", "Your appointment")
SECONDS: Final = (0.3, 2.0, 7.0, 20.0, 40.0, 90.0, 310.0)
SHAPE_NAMES: Final = tuple(SHAPES)
EVENTS: Final = {
    "step": 46, "take": 12, "tick": 12, "time": 12, "follow": 1, "crash": 2, "crash_all": 0.5, "lose": 0.7,
    "repeat": 1.5, "pause": 0.7, "resume": 1.5, "cancel": 0.25, "resend": 0.2, "mood": 2, "honest": 2, "overhear": 0.5,
    "backup": 0.15, "restore": 0.3,
}  # fmt: skip


def draw_fault(rng: random.Random) -> SendFault:
    """What happens to one POST, within the assumptions of the design."""
    if rng.random() < 0.12:
        return SendFault(refused_connection=True)
    name = rng.choice(SHAPE_NAMES)
    shape = SHAPES[name]
    is_refusal = shape.goes_with == {Storing.NOTHING}
    if is_refusal and rng.random() < 0.1:
        return SendFault(name, Storing.ALL)  # a wrong row: visible at once, or the single look would miss it
    storing = rng.choice(sorted(shape.goes_with))
    dress = rng.choice(list(Dress)) if rng.random() < 0.4 else Dress.PLAIN
    return SendFault(name, storing, dress, timedelta(seconds=rng.choice((0, 0, 2, 40, LATEST_COMMIT.total_seconds()))))


def skew_of(rng: random.Random) -> timedelta:
    """How far a machine's wall clock is off: up to 5 s, usually not at all."""
    return timedelta(seconds=rng.choice((0, 0, 0, -5, 5)))


def plan(world: World, rng: random.Random) -> None:
    """One to three runs, mostly to the same people.

    If a backup comes back, their texts differ and batches are too small to be recognized by numbers alone: of two texts
    to the same people, one sent since the backup and one not, nobody could tell which is which.
    """
    texts = rng.sample(TEXTS, 3) if world.has_backup else rng.choices(TEXTS, k=3)
    for text in texts[: rng.choice((1, 2, 2, 3))]:
        numbers = rng.sample(NUMBERS, rng.randint(1, len(NUMBERS)))
        size = rng.randint(1, FEWEST_TO_KNOW_BY_NUMBERS - 1 if world.has_backup else 6)
        if rng.random() < 0.15:
            world.plan_list(text, numbers)
        else:
            batches = [numbers[start : start + size] for start in range(0, len(numbers), size)]
            if rng.random() < 0.2:
                world.remember(text, batches)
            world.plan(text, rng.choice((OnUnknown.RECONCILE, OnUnknown.RECONCILE, OnUnknown.HOLD)), batches)


def happen(world: World, rng: random.Random, event: str, fault_share: float) -> None:
    """One event of a history."""
    place, run = rng.randrange(64), rng.randrange(64)
    if event == "step":
        world.step(place)
    elif event == "take":
        if rng.random() < fault_share and len(world.faults) < 3:
            world.faults.append(draw_fault(rng))
        world.take_job(place, skew_of(rng))
    elif event == "repeat":
        world.take_job(place, skew_of(rng), leaves_it=True)
    elif event == "tick":
        world.tick(skew_of(rng))
    elif event == "time":
        world.pass_time(rng.choice(SECONDS))
    elif event == "mood":
        world.set_mood(rng.choice(list(Mood)))
    elif event == "honest":
        world.set_mood(Mood.HONEST)
    elif event == "overhear":
        world.overhear("From another tool", rng.sample(NUMBERS, rng.randint(1, len(NUMBERS))))
    elif event == "crash":
        world.crash(place)
    elif event in {"pause", "resume", "cancel"}:
        getattr(world, event)(run)
    else:
        _RARE[event](world, run)


_RARE: Final[Mapping[str, Callable[[World, int], object]]] = {
    "crash_all": lambda world, _run: world.crash_all(),
    "lose": lambda world, _run: world.lose_jobs(),
    "follow": lambda world, _run: world.follow(),
    "resend": lambda world, run: world.resend_held(run),
    "backup": lambda world, _run: world.take_backup(),
    "restore": lambda world, _run: world.restore_backup(),
}


@dataclass(frozen=True, slots=True)
class History:
    """The events, each with its own seed, so that some can be left out without changing the others."""

    seed: str
    fault_share: float
    events: tuple[tuple[str, int], ...]

    @classmethod
    def from_seed(cls, seed: str) -> Self:
        """The history with this name, always the same."""
        rng = random.Random(seed)
        names = rng.choices(list(EVENTS), list(EVENTS.values()), k=rng.randint(20, 160))
        return cls(seed, rng.choice((0.0, 0.3, 0.6, 1.0)), tuple((name, rng.getrandbits(32)) for name in names))

    def run(self, flaws: frozenset[Flaw] = frozenset()) -> tuple[World, Books]:
        """Run it to its end."""
        world = World(flaws, random.Random(self.seed))
        world.has_backup = any(name == "backup" for name, _ in self.events)
        plan(world, random.Random(self.seed + " plan"))
        for event, seed in self.events:
            happen(world, random.Random(seed), event, self.fault_share)
        settle(world)
        return world, judge(world)

    def shrink(self, flaws: frozenset[Flaw]) -> "History":
        """The same failure with fewer events: leave out smaller and smaller pieces."""
        smallest, size = self, len(self.events) // 2
        while size:
            for start in range(0, len(smallest.events), size):
                shorter = replace(smallest, events=smallest.events[:start] + smallest.events[start + size :])
                if not shorter.run(flaws)[1].is_kept:
                    smallest = shorter
                    break
            else:
                size //= 2
        return smallest


@dataclass(slots=True)
class Totals:
    """The sums over many histories."""

    histories: int = 0
    recipients: int = 0
    doubled: int = 0
    lost: int = 0
    held: int = 0
    events: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)  # the seeds of the histories in which a promise was broken

    def join(self, other: "Totals") -> None:
        """Add the sums of others."""
        for name in ("histories", "recipients", "doubled", "lost", "held", "broken"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.events.update(other.events)

    def figures(self) -> dict[str, int]:
        """The sums for the record."""
        faults = sum(n for name, n in self.events.items() if name.startswith("send "))
        return {
            "histories": self.histories, "recipients": self.recipients, "faults": faults,
            "crashes": self.events["crashes"], "restored": self.events["restored"], "held": self.held,
            "doubled": self.doubled, "lost": self.lost,
        }  # fmt: skip

    def add(self, seed: str, world: World, books: Books) -> None:
        """Add one more."""
        self.histories += 1
        self.recipients += books.recipients
        self.doubled += books.doubled
        self.lost += books.lost
        self.held += books.held
        self.events.update(world.counts)
        if not books.is_kept:
            self.broken.append(seed)


def run_many(count: int, seed: int, flaws: frozenset[Flaw] = frozenset(), *, first: int = 0) -> Totals:
    """Run `count` histories, numbered from `first` below `seed`."""
    totals = Totals()
    for number in range(first, first + count):
        history = History.from_seed(f"{seed}:{number}")
        totals.add(history.seed, *history.run(flaws))
    return totals


PORTION: Final = 250
"""Histories that a process runs before it tells what came of them: some seconds."""


def run_at_once(count: int, seed: int, flaws: frozenset[Flaw], at_once: int) -> Iterator[Totals]:
    """Run them in several processes; yield the sums of each portion."""
    portions = [(min(PORTION, count - first), seed, flaws, first) for first in range(0, count, PORTION)]
    with multiprocessing.get_context("spawn").Pool(at_once, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        yield from pool.imap_unordered(_portion, portions)


def _portion(given: tuple[int, int, frozenset[Flaw], int]) -> Totals:
    count, seed, flaws, first = given
    return run_many(count, seed, flaws, first=first)


def main(arguments: Sequence[str]) -> int:
    """The command line; returns 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.histories", description=__doc__)
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without", action="append", default=[], choices=[flaw.value for flaw in Flaw])
    parser.add_argument("--at-once", type=int, default=1, help="so many processes")
    parser.add_argument("--only", metavar="SEED:NUMBER", help="shrink this one history and show what happens in it")
    options = parser.parse_args(arguments)
    flaws = frozenset(map(Flaw, options.without))
    if options.only:
        history = History.from_seed(options.only).shrink(flaws)
        world, books = history.run(flaws)
        lines = [*(name for name, _ in history.events), *books.broken, *map(str, world.gateway.messages)]
        _say(*lines, f"doubled {books.doubled}, lost {books.lost}, held {books.held}")
        return int(not books.is_kept)
    began, totals = time.monotonic(), Totals()
    with recording("histories without a rule" if flaws else "histories", seed=options.seed) as record:
        for portion in run_at_once(options.count, options.seed, flaws, options.at_once):
            totals.join(portion)
            record.add(portion.figures(), broken=len(portion.broken))
    found = totals.figures()
    _say(
        f"seed {options.seed}, without {', '.join(options.without) or 'nothing'}",
        f"{totals.histories:,} histories, {totals.recipients:,} recipients, {totals.events['posts']:,} posts",
        f"{found['faults']:,} send faults, {found['crashes']:,} crashes, {found['restored']:,} restored",
        f"doubled {totals.doubled:,}, lost {totals.lost:,}, held {totals.held:,}",
        f"{time.monotonic() - began:.1f} seconds",
        *(f"  {count:>9,}  {name}" for name, count in sorted(totals.events.items())),
    )
    if totals.broken:
        _say(f"{len(totals.broken)} histories broke a promise; --only shows one: {' '.join(totals.broken[:20])}")
    return int(bool(totals.broken))


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
