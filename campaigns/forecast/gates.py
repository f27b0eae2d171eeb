"""What every request has to pass: the rates and budgets of everything and of each phone."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from campaigns.calendar.periods import Period, PeriodBudget
from campaigns.definition import Rate
from campaigns.forecast.agenda import MICROSECOND, from_us, to_us
from campaigns.forecast.phones import Gate, PeopleGate
from campaigns.money.budgets import MoneyBudget


class RateGate:
    """A rate with the throttle's two conditions: room in the window, and distance from the previous request."""

    def __init__(self, rate: Rate) -> None:
        self.limit: Rate | PeriodBudget | MoneyBudget = rate
        self._count, self._per_us = rate.count, rate.per // MICROSECOND
        self._free_us = 0
        self._window: deque[tuple[int, int]] = deque()
        self._total = 0

    is_money = False

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
    """A budget: this many segments, or millionths of money, in each day or month."""

    def __init__(self, allowance: PeriodBudget | MoneyBudget) -> None:
        self.limit: Rate | PeriodBudget | MoneyBudget = allowance
        self.is_money = isinstance(allowance, MoneyBudget)
        self._most = allowance.amount.millionths if isinstance(allowance, MoneyBudget) else allowance.segments
        self._allowance = allowance
        self._ends_us = 0
        self._spent = 0

    def ready_us(self, cost: int, at_us: int) -> int:
        """Like that of a rate."""
        most = self._most
        return at_us if at_us >= self._ends_us or self._spent + min(cost, most) <= most else self._ends_us

    def left(self, at_us: int) -> int:
        """Return what is left of it at a moment."""
        return self._most if at_us >= self._ends_us else self._most - self._spent

    def take(self, cost: int, at_us: int) -> None:
        """Like that of a rate."""
        if at_us >= self._ends_us:
            _, ends = _period(self._allowance, from_us(at_us))
            self._ends_us, self._spent = to_us(ends), 0
        self._spent += cost


def _period(allowance: PeriodBudget | MoneyBudget, now: datetime) -> Period:
    if isinstance(allowance, MoneyBudget):
        return allowance.period_of(now)
    return allowance.period_of(now, allowance.zone)


PhoneLimit = RateGate | BudgetGate
Limit = PhoneLimit | PeopleGate


@dataclass(frozen=True, slots=True)
class Way:
    """When a request may pass, by which limits, and which of them keeps it from passing earlier.

    `people` of it may pass by this phone, `known` of them texted by it this month already. `is_closed`: nobody may,
    by any phone, until then.
    """

    at_us: int
    limits: Sequence[PhoneLimit]
    because: Limit | None
    is_spent: bool
    phone: int
    people: int
    known: int = 0
    is_closed: bool = False


class Gates:
    """The limits on everything and those of each phone. Every request uses one phone."""

    def __init__(self, shared: Gate, phones: Sequence[Gate]) -> None:
        common = _limits(shared)
        self._ways = [[*common, *_limits(phone)] for phone in phones or [Gate()]]
        self._shared = frozenset(map(id, common))
        self.phones = [PeopleGate(phone) for phone in phones or [Gate()]]
        self._money = [limit for limit in common if isinstance(limit, BudgetGate) and limit.is_money]
        self.has_people = any(phone.people for phone in phones)

    def next_way(
        self,
        cost: int,
        at_us: int,
        *,
        turn: int,
        people: int,
        is_bound: bool = False,
        known: int = 0,
        millionths: int = 0,
    ) -> Way:
        """Return the way by the phone that can send first; of several, the one whose turn it is, or the next one.

        One that `is_bound` to the phone whose turn it is takes another one only for people whom that one may not text
        this month. `known`: those whom it texted already.
        """
        turn %= len(self._ways)
        if not self.has_people:
            first = self._way(turn, cost, at_us, people, millionths)
            if first.at_us == at_us or len(self._ways) == 1 or is_bound:
                return first
            others = (self._way(place, cost, at_us, people, millionths) for place in self._after(turn))
            return min((first, *others), key=lambda way: way.at_us)
        known = known if at_us < self.phones[turn].known_until_us else 0
        places = self._with_room(at_us, turn, people, known, is_bound=is_bound)
        if not places:
            home = self.phones[turn]
            return Way(home.ends_us(at_us), (), home, is_spent=False, phone=turn, people=0, is_closed=True)
        some = min(people, max(places.values()))
        share = cost if some == people else max(1, cost * some // people)
        money = millionths if some == people else millionths * some // people
        return min(
            (
                self._way(place, share, at_us, some, money, min(known, some) if place == turn else 0)
                for place, room in places.items()
                if room >= some
            ),
            key=lambda way: way.at_us,
        )

    def _with_room(self, at_us: int, turn: int, people: int, known: int, *, is_bound: bool) -> dict[int, int]:
        """Return how many of the people each phone may text, of those in question, in the order of their turns."""
        home = self.phones[turn].room(at_us) + known
        if is_bound and (home or not people):
            return {turn: home}
        rooms = {turn: home} | {place: self.phones[place].room(at_us) for place in self._after(turn)}
        found = {place: room for place, room in rooms.items() if room or not people}
        return dict([next(iter(found.items()))]) if is_bound and found else found

    def _after(self, turn: int) -> list[int]:
        return [*range(turn + 1, len(self._ways)), *range(turn)]

    def _way(self, place: int, cost: int, at_us: int, people: int, millionths: int, known: int = 0) -> Way:
        limits = self._ways[place]
        since_us, because = at_us, None
        is_spent, moves = False, True
        one = -(-millionths // max(people, 1))  # money lets those of a request go whom it has room for
        while moves:  # a rate may lead into the next day, whose budget has room for it
            moves = False
            for limit in limits:
                ready_us = limit.ready_us(one if limit.is_money else cost, at_us)
                if ready_us > at_us:
                    at_us, because, moves = ready_us, limit, True
                    is_spent |= isinstance(limit, BudgetGate)
        if isinstance(because, BudgetGate):
            because = _tightest(because, limits, one if because.is_money else cost, since_us)
        return Way(at_us, limits, because, is_spent, place, people, known)

    def take(self, way: Way, cost: int, millionths: int) -> None:
        """Let a request pass."""
        for limit in way.limits:
            limit.take(millionths if limit.is_money else cost, way.at_us)
        self.phones[way.phone].take(way.people, way.people - way.known, way.at_us)

    @property
    def has_money(self) -> bool:
        """Return whether there is a budget of money."""
        return bool(self._money)

    def money_left(self, at_us: int) -> int:
        """Return how many millionths the budgets of money have room for then; only if there is one."""
        return min(budget.left(at_us) for budget in self._money)

    def is_of_phone(self, limit: Limit) -> bool:
        """Return whether it is the limit of one of several phones."""
        return len(self._ways) > 1 and id(limit) not in self._shared


def _tightest(because: BudgetGate, limits: Sequence[PhoneLimit], cost: int, at_us: int) -> BudgetGate:
    """Return the budget that has least left, of those of its kind that wait as long as it: raising it would help."""
    until_us = because.ready_us(cost, at_us)
    others = (each for each in limits if isinstance(each, BudgetGate) and each.is_money == because.is_money)
    waiting = [each for each in others if each.ready_us(cost, at_us) == until_us > at_us]
    return min(waiting, key=lambda each: each.left(at_us), default=because)


def _limits(gate: Gate) -> list[PhoneLimit]:
    return [*map(RateGate, gate.rates), *map(BudgetGate, gate.budgets), *map(BudgetGate, gate.money)]
