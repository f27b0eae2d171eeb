"""When a campaign's first and last texts would leave: by moments, windows and turns, and by the rates that apply."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from campaigns.definition import Rate
from campaigns.definition.hours import Hours
from campaigns.periods import Allowance

HORIZON: Final = timedelta(days=366)
"""What would take longer is a mistake in the rate or the window, and a date so far ahead would mean nothing."""


@dataclass(frozen=True, slots=True)
class Group:
    """Everybody who goes by the same clocks: the first may leave at `first`, the last has the turn at `last` (aware).

    `zones` are as in a `Departure`; `hours` None: sending is always allowed.
    """

    zones: str
    people: int
    segments: int
    first: datetime
    last: datetime
    hours: Hours | None = None

    def opens(self, moment: datetime) -> datetime | None:
        """The first allowed time from `moment` on; None: there is none within the horizon."""
        return self.hours.next_open(moment) if self.hours else moment

    def closes(self, moment: datetime) -> datetime | None:
        """When sending is not allowed any more; None: it always is."""
        return self.hours.closes_at(moment) if self.hours else None


@dataclass(frozen=True, slots=True)
class Forecast:
    """Aware times in UTC. `last_send_at` is None when it lies more than a year after the first.

    `limit` is the rate or budget that decides when the last text leaves; None: their moments alone do.
    `last_of` has the last time of each group, in their order.
    """

    first_send_at: datetime
    last_send_at: datetime | None
    limit: Rate | Allowance | None = None
    last_of: tuple[datetime | None, ...] = ()


def forecast(groups: Sequence[Group], *, rates: Sequence[Rate], budgets: Sequence[Allowance] = ()) -> Forecast | None:
    """The estimate for these people; None when there are none.

    The throttle spaces segments evenly, so each rate by itself gives the moment of the last one, and the latest of
    these counts. Each budget puts off what does not fit into a day or month, and the rates then spread what goes in the
    last one. Without a rate everything leaves at its moment: nobody knows how fast a gateway answers.
    """
    groups = [group for group in groups if group.segments > 0]
    if not groups:
        return None
    first = min(group.first for group in groups)
    found: list[tuple[Rate | Allowance | None, list[datetime | None]]] = [(None, [group.last for group in groups])]
    found += [(rate, _sent([group.segments for group in groups], groups, first, rate)) for rate in rates]
    for budget in budgets:
        found.append((budget, _within(budget, groups, first, rates)))
    limit, _ = max(found, key=lambda way: _latest(way[1], first))
    last_of = tuple(_last_of(ends, first) for ends in zip(*(ends for _, ends in found), strict=True))
    last = None if None in last_of else max(moment for moment in last_of if moment is not None)
    return Forecast(first, last, limit, last_of)


def _latest(ends: Iterable[datetime | None], first: datetime) -> datetime:
    """The last of these; what never ends comes after all others."""
    return max(end or first + 2 * HORIZON for end in ends)


def _last_of(ends: Iterable[datetime | None], first: datetime) -> datetime | None:
    last = _latest(ends, first)
    return last if last - first <= HORIZON else None


def _within(
    budget: Allowance, groups: Sequence[Group], first: datetime, rates: Sequence[Rate]
) -> list[datetime | None]:
    """When each group has sent its last segment, if so many may go in each day or month: who is first goes first."""
    left = [group.segments for group in groups]
    ends: list[datetime | None] = [None] * len(groups)
    begins: datetime | None = first
    while begins is not None and begins - first <= HORIZON and any(left):
        room = budget.segments
        _, over = budget.period_of(begins, budget.zone)
        portion = [0] * len(groups)
        for index in _by_turn(groups):
            opens = groups[index].opens(max(groups[index].first, begins))
            if left[index] and opens is not None and opens < over:
                portion[index] = min(left[index], room)
                room -= portion[index]
        sent = [[begins if part else None for part in portion]] if any(portion) else []
        sent += [_sent(portion, groups, begins, rate) for rate in rates] if any(portion) else []
        for index, part in enumerate(portion):
            left[index] -= part
            if part and not left[index]:
                opens = groups[index].opens(max(groups[index].first, begins))
                ends[index] = _last_of([opens, *(times[index] for times in sent)], first)
        begins = over
    return ends


def _by_turn(groups: Sequence[Group]) -> list[int]:
    return sorted(range(len(groups)), key=lambda index: groups[index].first)


def _sent(segments: Sequence[int], groups: Sequence[Group], start: datetime, rate: Rate) -> list[datetime | None]:
    """When each group has sent its last segment at this rate; None: not within the horizon, or it has none.

    Who is first goes first, and while their window is closed whoever comes next: one stretch of time after the other.
    """
    left = list(segments)
    ends: list[datetime | None] = [None] * len(groups)
    turns, now = _by_turn(groups), start
    while any(left) and now - start <= HORIZON:
        waiting = [(index, groups[index].opens(max(groups[index].first, now))) for index in turns if left[index]]
        ahead = [(index, opens) for index, opens in waiting if opens is not None]
        if not ahead:
            break
        soonest = min(opens for _, opens in ahead)
        # Across a night the rate has long recovered; across a short closure its spacing still holds.
        now = max(now, soonest)
        index = next(index for index, opens in ahead if opens <= now)
        last = now + rate.per * (left[index] - 1) / rate.count
        closes = groups[index].closes(now)
        if closes is None or last < closes:
            ends[index], left[index] = last, 0
            now = last + rate.per / rate.count
        else:
            fitting = -((now - closes) * rate.count // rate.per)  # rounded up: the first leaves as the window opens
            left[index] -= fitting
            now = max(closes, now + rate.per * fitting / rate.count)
    return [end if end is not None and end - start <= HORIZON else None for end in ends]
