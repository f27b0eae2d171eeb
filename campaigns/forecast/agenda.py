"""Every request of a plan by its moment, in sending order."""

from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.calendar.hours import Hours
from campaigns.definition.schedule import Schedule
from campaigns.lifecycle import RecipientState
from campaigns.money.costs import CostTally, Pricing
from campaigns.planning.batching import Placed
from campaigns.sending.sticking import Ranking
from campaigns.timing.departures import Departure
from campaigns.timing.sending_hours import hours_of

NEVER_US: Final = 2**62

ANY_PHONE: Final = -1
"""The phone of requests that take whichever is free."""

COLUMNS: Final = ("at", "latest", "ordinals", "people", "segments", "known", "millionths")
"""What is kept of each request of a line."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


def to_us(moment: datetime) -> int:
    """Return microseconds since 1970."""
    return (moment - _EPOCH) // MICROSECOND


def from_us(moment_us: int) -> datetime:
    """Return the moment, in UTC, from microseconds since 1970."""
    return _EPOCH + moment_us * MICROSECOND


@dataclass(frozen=True, slots=True)
class ClockGroup:
    """Everybody with the same zones, as in a `Departure`. Times are aware, in UTC; None: more than a year away."""

    zones: str
    people: int
    first_send_at: datetime | None
    last_send_at: datetime | None


Texted = Callable[[Sequence[str]], Collection[tuple[str, str]]]
"""Returns (phone, number) of those of these numbers (E.164) whom a phone texted this month already."""


class Agenda:
    """Every request of a plan that is to be sent, the input of a forecast. It takes about 40 bytes for each.

    `phones`: in the order of their turns; with a `ranking`, everybody has their own. `texted`: asked only where a
    budget of people is set. With `pricing` requests cost money; `unpriced`: people whose text has no price.
    """

    def __init__(
        self,
        schedule: Schedule,
        phones: Sequence[str] = ("",),
        *,
        ranking: Ranking | None = None,
        texted: Texted | None = None,
        pricing: Pricing | None = None,
    ) -> None:
        self.zone: ZoneInfo = schedule.zone
        self.unpriced = 0
        self._costs = CostTally(pricing) if pricing else None
        self._schedule = schedule
        self._phones = phones
        self._places = {phone: place for place, phone in enumerate(phones)}
        self._ranking = ranking
        self._texted = texted
        self._lines: dict[tuple[str, int], Line] = {}

    def add(self, chunk: Sequence[Placed]) -> None:
        """Add the requests of a chunk from `into_batches`, all of which are complete."""
        found: dict[int, tuple[Departure, list[int], str]] = {}
        texted: Collection[tuple[str, str]] = ()
        if self._texted:
            texted = self._texted([row.number for row, _ in chunk if row.state is RecipientState.PENDING])
        for row, ordinal in chunk:
            if ordinal is None or row.departure is None or row.state is not RecipientState.PENDING:
                continue
            known = found.get(ordinal)
            if known is None:
                of_person = self._ranking.first(row.number) if self._ranking else ""
                phone = of_person or self._phones[ordinal % len(self._phones)]
                known = found[ordinal] = row.departure, [0, 0, 0, 0], phone
            known[1][0] += 1
            known[1][1] += row.segments
            if texted and (known[2], row.number) in texted:
                known[1][2] += 1
            if self._costs is not None:
                millionths = self._costs.cost_of(row.number, row.segments, row.departure.at)
                known[1][3] += millionths or 0
                self.unpriced += millionths is None
        for ordinal, (departure, (people, segments, before, millionths), name) in found.items():
            place = self._places[name] if self._ranking else ANY_PHONE
            self.add_batch(ordinal, departure, people, segments, phone=place, known=before, millionths=millionths)

    def add_batch(
        self,
        ordinal: int,
        departure: Departure,
        people: int,
        segments: int,
        *,
        phone: int = ANY_PHONE,
        known: int = 0,
        millionths: int = 0,
    ) -> None:
        """Add one request. Requests leave in the order of their ordinals, which also decide whose turn it is.

        `phone`: the place of the one phone that it is planned for. `known`: people whom its phone texted this month.
        `millionths`: what it costs at most.
        """
        key = departure.zones, phone
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(departure.zones, hours_of(self._schedule, departure.zones), phone)
        line.at.append(to_us(departure.at))
        line.latest.append(to_us(departure.latest) if departure.latest else NEVER_US)
        line.ordinals.append(ordinal)
        line.people.append(people)
        line.segments.append(segments)
        line.known.append(known)
        line.millionths.append(millionths)

    def lines(self) -> list["Line"]:
        """Return the requests by zones, each line in order of its moments."""
        return [line.in_order() for line in self._lines.values()]


@dataclass(slots=True)
class Line:
    """The requests with the same zones, and for the same `phone`; `next` of them have left. Times are in microseconds
    since 1970.
    """

    zones: str
    hours: Hours | None
    phone: int = ANY_PHONE
    at: "array[int]" = field(default_factory=lambda: array("q"))
    latest: "array[int]" = field(default_factory=lambda: array("q"))
    ordinals: "array[int]" = field(default_factory=lambda: array("i"))
    people: "array[int]" = field(default_factory=lambda: array("i"))
    segments: "array[int]" = field(default_factory=lambda: array("i"))
    known: "array[int]" = field(default_factory=lambda: array("i"))
    millionths: "array[int]" = field(default_factory=lambda: array("q"))
    next: int = 0
    first_us: int = NEVER_US
    last_us: int = NEVER_US
    _floor_us: int = 0
    _opens_us: int = 0
    _closes_us: int = 0

    def in_order(self) -> "Line":
        """Return the same line from its beginning, ordered by moment."""
        ordered = replace(self)
        if any(before > after for before, after in pairwise(self.at)):
            order = sorted(range(len(self.at)), key=self.at.__getitem__)
            for name in COLUMNS:
                column = getattr(self, name)
                setattr(ordered, name, array(column.typecode, map(column.__getitem__, order)))
        return ordered

    def after(self, moment_us: int) -> "Line":
        """Return a line for those of these requests that wait until then."""
        return Line(self.zones, self.hours, self.phone, _floor_us=moment_us)

    def put_off(self, waiting: "Line", moment_us: int) -> None:
        """Move the next request to the end of that line. In the next month nobody in it was texted yet."""
        for name in COLUMNS:
            getattr(waiting, name).append(getattr(self, name)[self.next])
        waiting.at[-1], waiting.known[-1] = moment_us, 0
        self.next += 1

    def cut(self, people: int, segments: int, known: int, millionths: int) -> None:
        """Let this part of the next request go: the rest is the next one."""
        parts = (("people", people), ("segments", segments), ("known", known), ("millionths", millionths))
        for name, part in parts:
            column = getattr(self, name)
            rest = array(column.typecode, column)  # the agenda keeps its own
            rest[self.next] -= part
            setattr(self, name, rest)

    def head(self, floor_us: int) -> tuple[int, int]:
        """Return the next request as (waiting since, ordinal): the one that has waited longest goes first."""
        return max(self.at[self.next], self._floor_us, floor_us), self.ordinals[self.next]

    def opens_us(self, at_us: int) -> int:
        """Return the first allowed moment from then on, or `NEVER_US`."""
        if self.hours is None or self._opens_us <= at_us < self._closes_us:
            return at_us
        opens = self.hours.next_open(from_us(at_us))
        if opens is None:
            return NEVER_US
        closes = self.hours.closes_at(opens)
        self._opens_us, self._closes_us = to_us(opens), to_us(closes) if closes else NEVER_US
        return self._opens_us

    def wait_until(self, opens_us: int) -> None:
        """Note that the window has closed, or the budget is spent: all waiting requests resume together then."""
        self._floor_us = max(self._floor_us, opens_us)


def groups_of(lines: Iterable[Line], people: Mapping[str, int]) -> Iterator[ClockGroup]:
    """Yield the lines by their zones, with the `people` of each."""
    by_zones: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_zones[line.zones].append(line)
    for zones, its in by_zones.items():
        sent = [line.last_us for line in its if line.first_us < NEVER_US]
        is_done = all(line.next == len(line.at) for line in its)
        first_us = min(line.first_us for line in its)
        last = from_us(max(sent)) if is_done and sent else None
        yield ClockGroup(zones, people[zones], from_us(first_us) if sent else None, last)
