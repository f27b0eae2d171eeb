"""The arithmetic of one level, in integer microseconds. `reserve.lua` is the same, line by line.

A grant has two conditions. *Room*: the amount granted in the window that ends now, plus the cost, is within the limit;
this makes the promise exact. *Pace*: the previous grant is as long ago as its cost takes at this rate; this spreads the
grants evenly instead of in one burst per window.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from worker.throttle.levels import Granted, to_microseconds

# How late a sender may come and still catch up: the pace then counts from when it could have come. Without this, every
# late wake-up is lost for good (30 ms of lateness at 20 grants/s: 0.62 of the rate). At most a tenth of the window, so
# that catching up stays small compared with the limit.
LATENESS_US: Final = 100_000
LATENESS_PARTS: Final = 10
# Grants within a thousandth of the window are merged into one entry, at the later moment: at most about 1,000 entries,
# for at most 0.1 % of the rate.
ENTRY_PARTS: Final = 1_000
# How long after the moment that it was given a large request is still expected back.
GRACE_PARTS: Final = 4
# The slot that an urgent request waits for is kept from the others, until they are owed one segment for each ten that
# passed them: then theirs is kept from the urgent ones. `campaigns.sending.sharing` leaves them the same tenth.
LOWER_PARTS: Final = 10


class History:
    """What was granted on one level recently."""

    __slots__ = (
        "_entries", "_kept_for_urgent", "_kept_until_us", "_pace_cost", "_pace_us", "_passed", "_total",
        "_wanted", "_wanted_asked_us", "_wanted_since_us", "_wanted_until_us",
    )  # fmt: skip

    def __init__(self) -> None:
        self._entries: deque[tuple[int, int]] = deque()  # (moment, cost), in order
        self._total = 0
        self._pace_us = 0  # when the last grant was due by the pace, and what it cost
        self._pace_cost = 0
        self._wanted = 0  # the largest cost that waits for room: since when, when it last asked, when it is given up
        self._wanted_since_us = 0
        self._wanted_asked_us = 0
        self._wanted_until_us = 0
        self._kept_until_us = 0  # until when the next slot is kept for urgent requests, or for the others
        self._kept_for_urgent = False
        self._passed = 0  # segments of urgent requests since the last grant to another one

    def forget(self, now_us: int, per_us: int) -> None:
        """Drop entries that left the window (`now - per`, `now`]."""
        entries = self._entries
        while entries and entries[0][0] <= now_us - per_us:
            self._total -= entries.popleft()[1]
        # A clock that was set back must not close the level until it has caught up: entries ahead of now count as now.
        ahead = 0
        while entries and entries[-1][0] > now_us:
            ahead += entries.pop()[1]
        if ahead:
            entries.append((now_us, ahead))
        self._pace_us = min(self._pace_us, now_us)
        if self._wanted_asked_us > now_us:
            self._wanted = 0
        if self._kept_until_us > now_us + 2 * per_us:
            self._kept_until_us = 0  # from before a clock was set back
        if not entries:
            self._passed = 0

    def ready_us(self, cost: int, limit: int, per_us: int, now_us: int, *, is_urgent: bool = False) -> int:
        """Return the earliest moment from `now_us` on at which `cost` can be taken if nobody else takes anything."""
        room_us = self._room_us(cost, limit, per_us, now_us)
        has_waited_long = self._wanted_asked_us - self._wanted_since_us >= per_us
        if not is_urgent and self._wanted > cost and has_waited_long and now_us < self._wanted_until_us:
            # Small requests fit into every gap, and a large one would wait for ever. Once it has waited for one window,
            # all requests need as much room as it does, until it has had its turn. Doing so at once would cost 3 to 6 %
            # of the rate with mixed costs.
            wanted_room_us = self._room_us(min(self._wanted, limit), limit, per_us, now_us)
            room_us = min(wanted_room_us, max(room_us, self._wanted_until_us))
        if self._kept_for_urgent is not is_urgent and (is_urgent or not self._is_owed(cost)):
            room_us = max(room_us, self._kept_until_us)
        return max(room_us, self._pace_us + _spacing_us(min(self._pace_cost, limit), limit, per_us))

    def take(self, cost: int, limit: int, per_us: int, now_us: int, *, is_urgent: bool = False) -> None:
        """Record a grant at `now_us`, which must be no earlier than `ready_us`."""
        entry_us = max(1, per_us // ENTRY_PARTS)
        entries = self._entries
        if entries and entries[-1][0] // entry_us == now_us // entry_us:
            entries.append((now_us, entries.pop()[1] + cost))
        else:
            entries.append((now_us, cost))
        self._total += cost
        if self._total == cost:
            self._pace_us = now_us  # a whole window without a grant: there is nothing to catch up on
        else:
            due_us = self._pace_us + _spacing_us(min(self._pace_cost, limit), limit, per_us)
            self._pace_us = max(due_us, now_us - min(LATENESS_US, per_us // LATENESS_PARTS))
        self._pace_cost = cost
        if cost >= self._wanted:
            self._wanted = 0
        if self._kept_for_urgent is is_urgent:
            self._kept_until_us = 0
        self._passed = min(self._passed + cost, LOWER_PARTS * limit) if is_urgent else 0

    def refuse(self, cost: int, limit: int, per_us: int, now_us: int, *, is_urgent: bool = False) -> None:
        """Remember a request that waits for room, unless one waits for more; and whose turn it is."""
        is_free = self._kept_for_urgent or now_us >= self._kept_until_us
        has_turn = is_free if is_urgent else self._is_owed(cost)
        ready_us = self.ready_us(cost, limit, per_us, now_us, is_urgent=is_urgent)
        if has_turn and ready_us > now_us:
            self._kept_for_urgent = is_urgent
            self._kept_until_us = ready_us + min(LATENESS_US, per_us // LATENESS_PARTS)
        is_new = cost > self._wanted or now_us >= self._wanted_until_us
        if self._total + cost > limit and (is_new or cost == self._wanted):
            self._wanted = cost
            self._wanted_asked_us = now_us
            if is_new:
                self._wanted_since_us = now_us
            self._wanted_until_us = ready_us + per_us // GRACE_PARTS

    def recall(self, granted: Iterable[Granted], limit: int, per_us: int) -> None:
        """Take the grants in the records, in order of time."""
        for moment, cost in granted:
            self.take(cost, limit, per_us, to_microseconds(moment))

    def lines(self) -> list[str]:
        """Return the history as `reserve.lua` keeps it: the header, then the entries."""
        header = (
            self._total, self._pace_us, self._pace_cost,
            self._wanted, self._wanted_since_us, self._wanted_asked_us, self._wanted_until_us,
            self._kept_until_us, int(self._kept_for_urgent), self._passed,
        )  # fmt: skip
        return [" ".join(map(str, line)) for line in (header, *self._entries)]

    def _is_owed(self, cost: int) -> bool:
        return self._passed >= LOWER_PARTS * cost

    def is_over(self, now_us: int, per_us: int) -> bool:
        """Return whether the window is empty and nobody is expected back: the answers are then those of a new level."""
        is_empty = not self._entries or self._entries[-1][0] <= now_us - per_us
        return is_empty and max(self._kept_until_us, self._wanted_until_us) <= now_us

    def _room_us(self, cost: int, limit: int, per_us: int, now_us: int) -> int:
        excess = self._total + cost - limit
        room_us = now_us
        for moment_us, freed in self._entries:
            if excess <= 0:
                break
            excess -= freed
            room_us = moment_us + per_us
        return room_us


def _spacing_us(cost: int, limit: int, per_us: int) -> int:
    """Return how long `cost` takes at this rate, rounded up."""
    # In two parts: cost * per would exceed the integers that Lua's doubles hold exactly.
    whole, rest = divmod(per_us, limit)
    return cost * whole + -(-cost * rest // limit)
