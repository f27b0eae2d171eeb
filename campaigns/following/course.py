"""How far something is over time, in steps that widen: a month or ten million texts take no more room than an hour."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from math import floor
from typing import Any, Final, Self

MOST_STEPS: Final = 240
"""The most steps in which anything happened."""

STEPS: Final = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 12.0, 60.0, 120.0, 240.0, 720.0, 3_600.0, 7_200.0, 14_400.0, 43_200.0)
"""Widths in seconds; after them, days, and twice as many each time. Each is a whole number of those before it."""

DAY_SECONDS: Final = 86_400.0

Line = Sequence[tuple[float, int]]
"""Moments in seconds since 1970, in order, and the count that was reached then; straight in between."""


def _wider(step_seconds: float) -> float:
    if step_seconds >= DAY_SECONDS:
        return 2 * step_seconds
    return next((width for width in STEPS if width > step_seconds), DAY_SECONDS)


@dataclass(slots=True)
class Course:
    """What was added to some counts in each step. Order does not matter, and what is added may be negative.

    When there are more than `most` steps, neighbours become one.
    """

    kinds: int
    step_seconds: float = 1.0
    most: int = MOST_STEPS
    added: dict[int, list[int]] = field(default_factory=dict)

    def add(self, at_seconds: float, *counts: int) -> None:
        """Add to the counts at a moment in seconds since 1970."""
        place = floor(at_seconds / self.step_seconds)
        known = self.added.get(place)
        if known is None:
            self.added[place] = list(counts)
            while len(self.added) > self.most:
                self._widen()
        else:
            for kind, count in enumerate(counts):
                known[kind] += count

    def _widen(self) -> None:
        wider = _wider(self.step_seconds)
        ratio = round(wider / self.step_seconds)
        found: dict[int, list[int]] = {}
        for place, counts in self.added.items():
            known = found.setdefault(place // ratio, [0] * self.kinds)
            for kind, count in enumerate(counts):
                known[kind] += count
        self.step_seconds, self.added = wider, found

    @property
    def totals(self) -> tuple[int, ...]:
        """Return what all counts have reached."""
        return tuple(sum(counts[kind] for counts in self.added.values()) for kind in range(self.kinds))

    def steps(self) -> Iterator[tuple[float, tuple[int, ...]]]:
        """Yield when each step begins, and what was added in it, in order of time."""
        for place in sorted(self.added):
            yield place * self.step_seconds, tuple(self.added[place])

    def line(self, kind: int = 0) -> Line:
        """Return one count over time; empty if nothing was ever added to it."""
        points: list[tuple[float, int]] = []
        reached = 0
        for begins, counts in self.steps():
            if not counts[kind]:
                continue
            if not points or points[-1][0] < begins:
                points.append((begins, reached))
            reached += counts[kind]
            points.append((begins + self.step_seconds, reached))
        return points

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON; places count from the first one, which makes it half as long."""
        first = min(self.added, default=0)
        added = [[place - first, *self.added[place]] for place in sorted(self.added)]
        return {"step": self.step_seconds, "first": first, "added": added}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], *, kinds: int, most: int = MOST_STEPS) -> Self:
        """Return what `to_json` made."""
        first = stored["first"]
        return cls(kinds, stored["step"], most, {first + place: counts for place, *counts in stored["added"]})


def reached_at(line: Line, at_seconds: float) -> float:
    """Return what a line had reached at a moment."""
    place = bisect_right(line, at_seconds, key=lambda point: point[0])
    if place == 0:
        return 0.0
    begins, before = line[place - 1]
    if place == len(line):
        return float(before)
    ends, after = line[place]
    return before + (after - before) * (at_seconds - begins) / (ends - begins)


def behind_seconds(forecast: Line, done: int, at_seconds: float) -> float:
    """Return how much later than its forecast something is if `done` is reached then; negative: how much earlier.

    While the forecast stands still, whoever has done as much is on time.
    """
    if not forecast:
        return 0.0
    if done >= forecast[-1][1]:
        return at_seconds - forecast[-1][0]
    expected = reached_at(forecast, at_seconds)
    if done < expected:
        return at_seconds - _passes(forecast, done)
    return 0.0 if done == expected else min(0.0, at_seconds - _reaches(forecast, done))


def _passes(line: Line, done: int) -> float:
    """Return the last moment at which a line is not above this."""
    for (begins, before), (ends, after) in pairwise(line):
        if before <= done < after:
            return begins + (ends - begins) * (done - before) / (after - before)
    return line[0][0]


def _reaches(line: Line, done: int) -> float:
    """Return the first moment at which a line is not below this; its beginning if it never was."""
    for (begins, before), (ends, after) in pairwise(line):
        if before < done <= after:
            return begins + (ends - begins) * (done - before) / (after - before)
    return line[0][0]


class Bottleneck(StrEnum):
    """What keeps a run that has begun from sending faster."""

    RATE = "rate"
    ACCOUNT = "account"
    PHONE = "phone"
    BUDGET = "budget"
    WINDOW = "window"
    CAP = "cap"
    MOMENT = "moment"
    OPT_OUTS = "opt_outs"
    DOUBT = "doubt"
    GATEWAY = "gateway"
    PAUSE = "pause"
    RECEIPTS = "receipts"


BOTTLENECKS: Final[Mapping[Bottleneck, str]] = {
    Bottleneck.RATE: "its rate",
    Bottleneck.ACCOUNT: "the rate of everything together",
    Bottleneck.PHONE: "the rate of its phones",
    Bottleneck.BUDGET: "a budget that is spent",
    Bottleneck.WINDOW: "its window",
    Bottleneck.CAP: "the frequency cap",
    Bottleneck.MOMENT: "the moments of its people",
    Bottleneck.OPT_OUTS: "opt-outs on its contact list",
    Bottleneck.DOUBT: "requests in doubt",
    Bottleneck.GATEWAY: "the gateway",
    Bottleneck.PAUSE: "a pause",
    Bottleneck.RECEIPTS: "receipts that are still to come",
}
"""The words for what is shown of it."""

Bottlenecks = list[tuple[int, Bottleneck]]
"""Since when, in seconds since 1970, a run was kept back by what: until the next entry."""


def bottlenecks(known: Bottlenecks, since: int, bottleneck: Bottleneck, *, most: int = MOST_STEPS) -> Bottlenecks:
    """Return what is known with what kept the run back from `since` on, which may correct the last entry.

    If there are too many, the shortest one becomes part of the one before.
    """
    found = [entry for entry in known if entry[0] < since]
    if not found or found[-1][1] is not bottleneck:
        found.append((since, bottleneck))
    while len(found) > most:
        lengths = [later - at for (at, _), (later, _) in pairwise(found)]
        shortest = min(range(1, len(lengths)), key=lengths.__getitem__)
        del found[shortest]
        found = [entry for place, entry in enumerate(found) if not place or found[place - 1][1] is not entry[1]]
    return found
