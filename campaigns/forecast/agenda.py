"""Every request of a plan by its moment, in sending order."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.calendar.hours import Hours
from campaigns.definition.schedule import Schedule
from campaigns.lifecycle import RecipientState
from campaigns.planning.batching import Placed
from campaigns.timing.departures import Departure
from campaigns.timing.sending_hours import hours_of

NEVER_US: Final = 2**62

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


class Agenda:
    """Every request of a plan that is to be sent, the input of a forecast. It takes about 30 bytes for each."""

    def __init__(self, schedule: Schedule) -> None:
        self.zone: ZoneInfo = schedule.zone
        self._schedule = schedule
        self._lines: dict[str, Line] = {}

    def add(self, chunk: Iterable[Placed]) -> None:
        """Add the requests of a chunk from `into_batches`, all of which are complete."""
        found: dict[int, tuple[Departure, list[int]]] = {}
        for row, ordinal in chunk:
            if ordinal is None or row.departure is None or row.state is not RecipientState.PENDING:
                continue
            known = found.get(ordinal)
            if known is None:
                known = found[ordinal] = row.departure, [0, 0]
            known[1][0] += 1
            known[1][1] += row.segments
        for ordinal, (departure, (people, segments)) in found.items():
            self.add_batch(ordinal, departure, people, segments)

    def add_batch(self, ordinal: int, departure: Departure, people: int, segments: int) -> None:
        """Add one request. Requests leave in the order of their ordinals, which also decide whose turn it is."""
        line = self._lines.get(departure.zones)
        if line is None:
            line = self._lines[departure.zones] = Line(departure.zones, hours_of(self._schedule, departure.zones))
        line.at.append(to_us(departure.at))
        line.latest.append(to_us(departure.latest) if departure.latest else NEVER_US)
        line.ordinals.append(ordinal)
        line.people.append(people)
        line.segments.append(segments)

    def lines(self) -> list["Line"]:
        """Return the requests by zones, each line in order of its moments."""
        return [line.in_order() for line in self._lines.values()]


@dataclass(slots=True)
class Line:
    """The requests with the same zones; `next` of them have left. Times are in microseconds since 1970."""

    zones: str
    hours: Hours | None
    at: "array[int]" = field(default_factory=lambda: array("q"))
    latest: "array[int]" = field(default_factory=lambda: array("q"))
    ordinals: "array[int]" = field(default_factory=lambda: array("i"))
    people: "array[int]" = field(default_factory=lambda: array("i"))
    segments: "array[int]" = field(default_factory=lambda: array("i"))
    next: int = 0
    first_us: int = NEVER_US
    last_us: int = NEVER_US
    _floor_us: int = 0
    _opens_us: int = 0
    _closes_us: int = 0

    def in_order(self) -> "Line":
        """Return the same line from its beginning, ordered by moment."""
        ordered = Line(self.zones, self.hours, self.at, self.latest, self.ordinals, self.people, self.segments)
        if any(before > after for before, after in pairwise(self.at)):
            order = sorted(range(len(self.at)), key=self.at.__getitem__)
            for name in ("at", "latest", "ordinals", "people", "segments"):
                column = getattr(self, name)
                setattr(ordered, name, array(column.typecode, map(column.__getitem__, order)))
        return ordered

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
        """Note that the window has closed: all waiting requests resume together when it opens."""
        self._floor_us = opens_us

    def group(self) -> ClockGroup:
        is_done = self.next == len(self.at)
        last = from_us(self.last_us) if is_done and self.last_us < NEVER_US else None
        first = from_us(self.first_us) if self.first_us < NEVER_US else None
        return ClockGroup(self.zones, sum(self.people), first, last)
