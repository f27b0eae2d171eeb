"""When the texts of a plan would leave: its requests are simulated one by one with their windows, rates and budgets."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from heapq import heapify, heappop, heappush, heapreplace
from typing import Any, Final
from zoneinfo import ZoneInfo

from campaigns.calendar.periods import PeopleBudget, PeriodBudget, day_of
from campaigns.definition import Rate
from campaigns.following.course import Course
from campaigns.forecast.agenda import ANY_PHONE, MICROSECOND, Agenda, ClockGroup, Line, from_us, groups_of, to_us
from campaigns.forecast.gates import Gates, Limit, Way
from campaigns.forecast.phones import Gate, PhoneShare
from campaigns.money.amounts import decimal_of
from campaigns.money.budgets import MoneyBudget

HORIZON: Final = timedelta(days=366)
"""A longer duration is a mistake in the rate or the window, and a date that far ahead would mean nothing."""

MOST_STEPS: Final = 120
"""Of the course of a forecast, which is stored with each plan: about a kilobyte."""

HARDLY: Final = 0.01
"""A limit that delays the end by less than this share of the whole time decides nothing."""

Heap = list[tuple[int, int, int]]
"""The next request of each line: since when it waits, its ordinal, and the place of the line."""

_FAR: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Day:
    """How many texts and segments leave on a day in the campaign's zone, and how many millionths of money they cost.

    Where a price depends on the phone, the dearest counts.
    """

    date: date
    texts: int
    segments: int
    millionths: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON; `cost` is there if anything has a price."""
        day = {"date": self.date.isoformat(), "texts": self.texts, "segments": self.segments}
        return {**day, "cost": decimal_of(self.millionths)} if self.millionths else day


@dataclass(frozen=True, slots=True)
class Forecast:
    """Times are aware, in UTC. `last_send_at` is None if it is more than a year after the first.

    `limit` is the rate or budget that decides when the last text leaves; None: only people's moments and windows do.
    With `is_of_phone` it is the limit of each of several phones. `late`: people who would miss their moment by more
    than `if_late` allows, because others are before them. `course`: how many people are sent to over time. `phones`:
    what each of them does, where that is limited or people have their own.
    """

    first_send_at: datetime
    last_send_at: datetime | None
    limit: Rate | PeriodBudget | PeopleBudget | MoneyBudget | None
    is_of_phone: bool
    days: tuple[Day, ...]
    groups: tuple[ClockGroup, ...]
    late: int
    course: Course
    phones: tuple[PhoneShare, ...] = ()

    @property
    def limited_by(self) -> str:
        """The limit in words; empty if there is none."""
        if self.limit is None:
            return ""
        return f"{self.limit} on each phone" if self.is_of_phone else str(self.limit)

    @property
    def limit_words(self) -> str:
        """The limit in words, with what it counts; empty if there is none."""
        return self.limited_by + (", in segments" if isinstance(self.limit, Rate | PeriodBudget) else "")


def forecast(agenda: Agenda, shared: Gate, phones: Sequence[Gate] = ()) -> Forecast | None:
    """Return when these requests would leave if nothing else is sent and nothing fails; None if there are none.

    It does what the scheduler does: the request that has waited longest goes first, a closed window or a spent budget
    delays all that wait for it, and a request takes its segments from every limit at once. Without a rate everything
    leaves at its moment: nobody knows how fast a gateway answers.
    """
    lines = agenda.lines()
    if not lines:
        return None
    return _Simulation(lines, Gates(shared, phones), agenda.zone).run()


class _Simulation:
    def __init__(self, lines: Sequence[Line], gates: Gates, zone: ZoneInfo) -> None:
        self._lines = list(lines)
        self._gates = gates
        self._people = Counter[str]()
        for line in lines:
            self._people[line.zones] += sum(line.people)
        self._later: dict[tuple[str, int, int], int] = {}  # by zones, phone and moment: the line that waits until then
        self._zone = zone
        self._first_us = min(line.at[0] for line in lines)
        self._ideal_us = max(line.at[-1] for line in lines)
        self._now_us = self._last_us = self._first_us
        self._floor_us = 0
        self._waited_us: dict[int, tuple[int, Limit]] = {}
        self._days: list[Day] = []
        self._day_ends_us = 0
        self._late = 0
        self._course = Course(1, most=MOST_STEPS)

    def run(self) -> Forecast:
        horizon_us = self._first_us + HORIZON // MICROSECOND
        heap = self._heap()
        while heap:
            since_us, ordinal, index = heap[0]
            line = self._lines[index]
            place = line.next
            cost, people, millionths = line.segments[place], line.people[place], line.millionths[place]
            start_us = max(since_us, self._now_us)
            is_bound = line.phone != ANY_PHONE
            way = self._gates.next_way(
                cost,
                start_us,
                turn=line.phone if is_bound else ordinal,
                people=people,
                is_bound=is_bound,
                known=line.known[place],
                millionths=millionths,
            )
            latest_us = line.latest[place]
            if way.at_us > horizon_us:
                break
            if way.because is not None:
                self._blame(way.because, way.at_us - start_us)
            if way.is_closed:
                self._put_off(heap, index, way.at_us)
            elif is_bound and way.at_us > start_us and start_us <= latest_us:
                heap = self._wait_for_phone(heap, index, way)
            elif way.is_spent and start_us <= latest_us:
                if self._send_some(line, ordinal, start_us):
                    continue
                self._floor_us = self._now_us = way.at_us  # those who waited until then go in plan order
                heap = self._heap()
            elif way.at_us > latest_us:
                self._late += line.people[place]
                self._advance(heap, line, index)
            elif (opens_us := line.opens_us(way.at_us)) > way.at_us:
                line.wait_until(opens_us)
                if opens_us > horizon_us:
                    heappop(heap)
                else:
                    heapreplace(heap, (*line.head(self._floor_us), index))
            elif not self._send_some(line, ordinal, way.at_us):  # it may cost more than a whole budget
                self._send(line, way, cost, millionths)
                if way.people == people:
                    self._advance(heap, line, index)
        return self._found()

    def _wait_for_phone(self, heap: Heap, index: int, way: Way) -> Heap:
        """Let a request wait for the phone of its people: those of other phones need not."""
        line = self._lines[index]
        if way.is_spent and way.phone == line.phone:
            for each in self._lines:  # a spent budget is met by all people of the phone, whatever their zones
                if each.phone == line.phone:
                    each.wait_until(way.at_us)
            return self._heap()
        line.wait_until(way.at_us)
        heapreplace(heap, (*line.head(self._floor_us), index))
        return heap

    def _put_off(self, heap: Heap, index: int, until_us: int) -> None:
        """Let the next request of a line wait until then, by itself: those behind it may have other people."""
        line = self._lines[index]
        key = line.zones, line.phone, until_us
        if key not in self._later:
            self._later[key] = len(self._lines)
            self._lines.append(line.after(until_us))
        place = self._later[key]
        line.put_off(self._lines[place], until_us)
        if line.next < len(line.at):
            heapreplace(heap, (*line.head(self._floor_us), index))
        else:
            heappop(heap)
        if len(self._lines[place].at) == 1:
            heappush(heap, (*self._lines[place].head(self._floor_us), place))

    def _heap(self) -> Heap:
        heap = [
            (*line.head(self._floor_us), index) for index, line in enumerate(self._lines) if line.next < len(line.at)
        ]
        heapify(heap)
        return heap

    def _advance(self, heap: Heap, line: Line, index: int) -> None:
        line.next += 1
        if line.next < len(line.at):
            heapreplace(heap, (*line.head(self._floor_us), index))
        else:
            heappop(heap)

    def _send_some(self, line: Line, ordinal: int, at_us: int) -> bool:
        """Send those of a request now whom a budget of money has room for; their texts are taken to cost the same."""
        people, cost, millionths = line.people[line.next], line.segments[line.next], line.millionths[line.next]
        if not millionths or not self._gates.has_money or line.opens_us(at_us) > at_us:
            return False
        some = people * self._gates.money_left(at_us) // millionths
        if not 0 < some < people:
            return False
        is_bound = line.phone != ANY_PHONE
        part, money = max(1, cost * some // people), millionths * some // people
        known = min(some, line.known[line.next])
        turn = line.phone if is_bound else ordinal
        way = self._gates.next_way(
            part, at_us, turn=turn, people=some, is_bound=is_bound, known=known, millionths=money
        )
        if way.at_us > at_us or way.people < some:
            return False
        self._send(line, way, cost, millionths)
        return True

    def _send(self, line: Line, way: Way, cost: int, millionths: int) -> None:
        """Let the next request of a line leave, or the part of it that may go by one phone."""
        at_us, texts, segments = way.at_us, way.people, cost
        if texts < line.people[line.next]:
            people = line.people[line.next]
            segments, millionths = max(1, cost * texts // people), millionths * texts // people
            line.cut(texts, segments, way.known, millionths)
        self._gates.take(way, segments, millionths)
        self._now_us = self._last_us = line.last_us = at_us
        line.first_us = min(line.first_us, at_us)
        self._course.add(at_us / 1e6, texts)
        if at_us >= self._day_ends_us:
            at = from_us(at_us)
            self._day_ends_us = to_us(day_of(at, self._zone)[1])
            self._days.append(Day(at.astimezone(self._zone).date(), texts, segments, millionths))
        else:
            today = self._days[-1]
            spent = today.millionths + millionths
            self._days[-1] = Day(today.date, today.texts + texts, today.segments + segments, spent)

    def _blame(self, limit: Limit, wait_us: int) -> None:
        before, _ = self._waited_us.get(id(limit), (0, limit))
        self._waited_us[id(limit)] = before + wait_us, limit

    def _found(self) -> Forecast:
        is_whole = all(line.next == len(line.at) for line in self._lines)
        last_us = self._last_us
        decides = not is_whole or last_us - self._ideal_us > HARDLY * (last_us - self._first_us)
        waited = self._waited_us.values() if decides else ()
        _, slowest = max(waited, key=lambda entry: entry[0], default=(0, None))
        groups = groups_of(self._lines, self._people)
        phones = self._gates.phones
        return Forecast(
            first_send_at=from_us(self._first_us),
            last_send_at=from_us(last_us) if is_whole else None,
            limit=slowest.limit if slowest else None,
            is_of_phone=slowest is not None and self._gates.is_of_phone(slowest),
            days=tuple(self._days),
            groups=tuple(sorted(groups, key=lambda group: (group.first_send_at or _FAR, group.zones))),
            late=self._late,
            course=self._course,
            phones=tuple(phone.share(self._first_us) for phone in phones) if self._tells_phones else (),
        )

    @property
    def _tells_phones(self) -> bool:
        return self._gates.has_people or any(line.phone != ANY_PHONE for line in self._lines)
