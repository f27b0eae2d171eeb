"""Whose texts go next when several campaigns want the same phones.

Higher kinds go first, but a waiting lower kind keeps a tenth of the capacity, so that none starves. Campaigns of one
kind share by weight, counted in segments: the one that got least for its weight is next, which keeps any two of them
within one request of their fair share.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

from campaigns.definition import Kind

HIGHEST_FIRST: Final = (Kind.TRANSACTIONAL, Kind.REMINDER, Kind.MARKETING)

LOWER_SHARE: Final = 0.1
"""The share that a kind keeps of everything sent while a higher kind also has work."""


MOST_PROMISED: Final = 256
"""How many requests of lower kinds that overtook higher ones are remembered: more than can be on their way at once."""


@dataclass(frozen=True, slots=True)
class Portion:
    """The segments of one request that could go. `is_paid`: it had its turn before and came back without being sent.

    `is_cut`: it has more segments, and only these first ones may go at once.
    """

    id: int
    segments: int
    is_paid: bool = False
    is_cut: bool = False


@dataclass(slots=True)
class Room:
    """How many segments may be on their way under one limit, and how many are. An empty room accepts any request."""

    size: float = math.inf
    used: float = 0.0

    @property
    def is_full(self) -> bool:
        return self.used >= self.size

    def takes(self, portion: Portion) -> bool:
        return self.used <= 0 or self.used + portion.segments <= self.size


@dataclass(frozen=True, slots=True)
class Contender:
    """A campaign that waits to send: its due requests in order, and the limits that apply to them.

    `own`: its own limit. `lanes`: the phones that its requests may use, one per request; empty: no phone has a limit.
    """

    id: int
    kind: Kind
    weight: int
    due: Sequence[Portion]
    own: Room
    lanes: tuple[Room, ...] = ()


@dataclass(slots=True)
class Turns:
    """Who got how much so far, which makes sharing fair over many small rounds. Not thread-safe."""

    _got: dict[int, float] = field(default_factory=dict)  # campaign -> segments per unit of its weight
    _owed: dict[Kind, float] = field(default_factory=dict)  # segments that a kind stepped back for
    _promised: deque[int] = field(default_factory=lambda: deque(maxlen=MOST_PROMISED))  # requests that overtook others

    def share(self, room: Room, contenders: Sequence[Contender], *, requests: int) -> list[tuple[Contender, Portion]]:
        """Fill `room`, which applies to all of them, with at most `requests`. Return those that go, in order.

        The rooms are filled along the way. Pass everybody who waits, also those without room now: a campaign that is
        not passed is forgotten, so that nobody saves up turns by having nothing to send.
        """
        self._meet(contenders)
        waiting = {contender.id: list(reversed(contender.due)) for contender in contenders}
        closed: set[int] = set()  # lanes (by id()) and campaigns that get nothing more in this round
        chosen: list[tuple[Contender, Portion]] = []
        while len(chosen) < requests:
            ready = [c for c in contenders if (due := waiting[c.id]) and id(c) not in closed and c.own.takes(due[-1])]
            if not ready:
                break
            contender = self._next(ready, waiting)
            portion = waiting[contender.id][-1]
            # A request that is next but too big waits for room, and no smaller one overtakes it: it might wait forever.
            if not room.takes(portion):
                break
            lanes = [lane for lane in contender.lanes if id(lane) not in closed and lane.takes(portion)]
            if contender.lanes and not lanes:
                closed |= {id(contender), *map(id, contender.lanes)}
                continue
            for taken in (room, contender.own, *sorted(lanes, key=lambda lane: lane.used - lane.size)[:1]):
                taken.used += portion.segments
            self._charge(contender, portion, {c.kind for c in ready})
            waiting[contender.id].pop()
            chosen.append((contender, portion))
        self._level(contenders)
        return chosen

    def _meet(self, contenders: Sequence[Contender]) -> None:
        start = min((self._got[c.id] for c in contenders if c.id in self._got), default=0.0)
        self._got = {c.id: self._got.get(c.id, start) for c in contenders}
        self._owed = {kind: self._owed.get(kind, 0.0) for kind in {c.kind for c in contenders}}

    def _next(self, ready: Sequence[Contender], waiting: Mapping[int, Sequence[Portion]]) -> Contender:
        # A lower kind that had its turn and got no slot keeps its place, or the higher one would be faster each time.
        heads = {c.id: waiting[c.id][-1] for c in ready}
        if promised := [c for c in ready if heads[c.id].is_paid and heads[c.id].id in self._promised]:
            return promised[0]

        def least_served(kind: Kind) -> Contender:
            mine = (c for c in ready if c.kind is kind)
            return min(mine, key=lambda c: (not heads[c.id].is_paid, self._got[c.id], c.id))

        first = {kind: least_served(kind) for kind in HIGHEST_FIRST if any(c.kind is kind for c in ready)}
        highest, *lower = first.values()
        for contender in reversed(lower):
            if self._owed[contender.kind] >= heads[contender.id].segments:
                return contender
        return highest

    def _charge(self, contender: Contender, portion: Portion, kinds: Set[Kind]) -> None:
        if portion.is_paid:
            return
        self._got[contender.id] += portion.segments / contender.weight
        self._owed[contender.kind] = max(0.0, self._owed[contender.kind] - portion.segments)
        if any(HIGHEST_FIRST.index(kind) < HIGHEST_FIRST.index(contender.kind) for kind in kinds):
            self._promised.append(portion.id)
        for kind in kinds - {contender.kind}:
            self._owed[kind] += portion.segments * LOWER_SHARE

    def _level(self, contenders: Sequence[Contender]) -> None:
        """Keep campaigns that only their own limit holds back from saving up turns: it may be lifted one day."""
        current = {
            kind: min(got)
            for kind in HIGHEST_FIRST
            if (got := [self._got[c.id] for c in contenders if c.kind is kind and not c.own.is_full])
        }
        for c in contenders:
            if c.own.is_full and c.kind in current:
                self._got[c.id] = max(self._got[c.id], current[c.kind])
