"""What every request has to pass: the rates and budgets of everything and of each phone."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.calendar.periods import PeriodBudget
from campaigns.definition import Rate
from campaigns.forecast.agenda import MICROSECOND, from_us, to_us


@dataclass(frozen=True, slots=True)
class Gate:
    """The rates and budgets, in segments, that every request, or every request by one phone, has to pass."""

    rates: tuple[Rate, ...] = ()
    budgets: tuple[PeriodBudget, ...] = ()


class RateGate:
    """A rate with the throttle's two conditions: room in the window, and distance from the previous request."""

    def __init__(self, rate: Rate) -> None:
        self.limit: Rate | PeriodBudget = rate
        self._count, self._per_us = rate.count, rate.per // MICROSECOND
        self._free_us = 0
        self._window: deque[tuple[int, int]] = deque()
        self._total = 0

    def ready_us(self, cost: int, at_us: int) -> int:
        """Return the first moment at or after `at_us` at which `cost` segments may pass. Changes nothing."""
        ready_us = max(at_us, self._free_us)
        excess = self._total + min(cost, self._count) - self._count
        for moment_us, freed in self._window:
            if excess <= 0:
                break
            excess -= freed
            ready_us = max(ready_us, moment_us + self._per_us)
        return ready_us

    def take(self, cost: int, at_us: int) -> None:
        """Let `cost` segments pass at a moment at which they may."""
        cost = min(cost, self._count)  # a request that costs more than a limit counts as that limit
        while self._window and self._window[0][0] <= at_us - self._per_us:
            self._total -= self._window.popleft()[1]
        self._window.append((at_us, cost))
        self._total += cost
        self._free_us = at_us - (-cost * self._per_us // self._count)  # rounded up


class BudgetGate:
    """A budget: this many segments in each day or month."""

    def __init__(self, allowance: PeriodBudget) -> None:
        self.limit: Rate | PeriodBudget = allowance
        self._allowance = allowance
        self._ends_us = 0
        self._spent = 0

    def ready_us(self, cost: int, at_us: int) -> int:
        """Like that of a rate."""
        most = self._allowance.segments
        return at_us if at_us >= self._ends_us or self._spent + min(cost, most) <= most else self._ends_us

    def take(self, cost: int, at_us: int) -> None:
        """Like that of a rate."""
        if at_us >= self._ends_us:
            _, ends = self._allowance.period_of(from_us(at_us), self._allowance.zone)
            self._ends_us, self._spent = to_us(ends), 0
        self._spent += cost


Limit = RateGate | BudgetGate


@dataclass(frozen=True, slots=True)
class Way:
    """When a request may pass, by which limits, and which of them keeps it from passing earlier."""

    at_us: int
    limits: Sequence[Limit]
    because: Limit | None
    is_spent: bool


class Gates:
    """The limits on everything and those of each phone. Every request uses one phone."""

    def __init__(self, shared: Gate, phones: Sequence[Gate]) -> None:
        common = _limits(shared)
        self._ways = [[*common, *_limits(phone)] for phone in phones or [Gate()]]
        self._shared = frozenset(map(id, common))

    def next_way(self, cost: int, at_us: int, *, turn: int) -> Way:
        """Return the way by the phone that can send first; of several, the one whose turn it is, or the next one."""
        turn %= len(self._ways)
        first = _way(self._ways[turn], cost, at_us)
        if first.at_us == at_us or len(self._ways) == 1:
            return first
        others = (_way(limits, cost, at_us) for limits in [*self._ways[turn + 1 :], *self._ways[:turn]])
        return min((first, *others), key=lambda way: way.at_us)

    def is_of_phone(self, limit: Limit) -> bool:
        """Return whether it is the limit of one of several phones."""
        return len(self._ways) > 1 and id(limit) not in self._shared


def _limits(gate: Gate) -> list[Limit]:
    return [*map(RateGate, gate.rates), *map(BudgetGate, gate.budgets)]


def _way(limits: Sequence[Limit], cost: int, at_us: int) -> Way:
    because: Limit | None = None
    is_spent, moves = False, True
    while moves:  # a rate may lead into the next day, whose budget has room for it
        moves = False
        for limit in limits:
            ready_us = limit.ready_us(cost, at_us)
            if ready_us > at_us:
                at_us, because, moves = ready_us, limit, True
                is_spent |= isinstance(limit, BudgetGate)
    return Way(at_us, limits, because, is_spent)
