"""What every request has to pass: rates and budgets, of everything and of each phone."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.calendar.periods import PeriodBudget
from campaigns.definition import Rate
from campaigns.forecast.agenda import MICROSECOND, from_us, to_us


@dataclass(frozen=True, slots=True)
class Gate:
    """What every request has to pass, or every one that goes by one phone: rates and budgets, in segments."""

    rates: tuple[Rate, ...] = ()
    budgets: tuple[PeriodBudget, ...] = ()


class RateGate:
    """A rate, with the two conditions of the throttle: room in the window, and distance to the request before."""

    def __init__(self, rate: Rate) -> None:
        self.limit: Rate | PeriodBudget = rate
        self._count, self._per_us = rate.count, rate.per // MICROSECOND
        self._free_us = 0
        self._window: deque[tuple[int, int]] = deque()
        self._total = 0

    def ready_us(self, cost: int, at_us: int) -> int:
        """The first moment from `at_us` on at which it lets so many segments pass; changes nothing."""
        ready_us = max(at_us, self._free_us)
        excess = self._total + min(cost, self._count) - self._count
        for moment_us, freed in self._window:
            if excess <= 0:
                break
            excess -= freed
            ready_us = max(ready_us, moment_us + self._per_us)
        return ready_us

    def take(self, cost: int, at_us: int) -> None:
        """They pass at a moment at which they may."""
        cost = min(cost, self._count)  # a request that is dearer than a limit counts as that limit
        while self._window and self._window[0][0] <= at_us - self._per_us:
            self._total -= self._window.popleft()[1]
        self._window.append((at_us, cost))
        self._total += cost
        self._free_us = at_us - (-cost * self._per_us // self._count)  # rounded up


class BudgetGate:
    """A budget: so much in each day or month."""

    def __init__(self, allowance: PeriodBudget) -> None:
        self.limit: Rate | PeriodBudget = allowance
        self._allowance = allowance
        self._ends_us = 0
        self._spent = 0

    def ready_us(self, cost: int, at_us: int) -> int:
        """As that of a rate."""
        most = self._allowance.segments
        return at_us if at_us >= self._ends_us or self._spent + min(cost, most) <= most else self._ends_us

    def take(self, cost: int, at_us: int) -> None:
        """As that of a rate."""
        if at_us >= self._ends_us:
            _, ends = self._allowance.period_of(from_us(at_us), self._allowance.zone)
            self._ends_us, self._spent = to_us(ends), 0
        self._spent += cost


Limit = RateGate | BudgetGate


@dataclass(frozen=True, slots=True)
class Way:
    """When a request may pass: by these limits, and because of which of them no earlier."""

    at_us: int
    limits: Sequence[Limit]
    because: Limit | None
    is_spent: bool


class Gates:
    """The limits on everything, and those of each phone, of which every request takes one."""

    def __init__(self, shared: Gate, phones: Sequence[Gate]) -> None:
        common = _limits(shared)
        self._ways = [[*common, *_limits(phone)] for phone in phones or [Gate()]]
        self._shared = frozenset(map(id, common))

    def next_way(self, cost: int, at_us: int, *, turn: int) -> Way:
        """The phone that can take it first; of several it is that whose turn it is, or the next one after it."""
        turn %= len(self._ways)
        first = _way(self._ways[turn], cost, at_us)
        if first.at_us == at_us or len(self._ways) == 1:
            return first
        others = (_way(limits, cost, at_us) for limits in [*self._ways[turn + 1 :], *self._ways[:turn]])
        return min((first, *others), key=lambda way: way.at_us)

    def is_of_phone(self, limit: Limit) -> bool:
        """Whether it is the limit of one of several phones."""
        return len(self._ways) > 1 and id(limit) not in self._shared


def _limits(gate: Gate) -> list[Limit]:
    return [*map(RateGate, gate.rates), *map(BudgetGate, gate.budgets)]


def _way(limits: Sequence[Limit], cost: int, at_us: int) -> Way:
    because: Limit | None = None
    is_spent, moves = False, True
    while moves:  # a rate may lead into the next day, and what begins then has room for it
        moves = False
        for limit in limits:
            ready_us = limit.ready_us(cost, at_us)
            if ready_us > at_us:
                at_us, because, moves = ready_us, limit, True
                is_spent |= isinstance(limit, BudgetGate)
    return Way(at_us, limits, because, is_spent)
