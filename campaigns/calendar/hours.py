"""When sending is allowed in several zones at once, as spans of UTC."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from campaigns.calendar.localtime import stretches

Span: TypeAlias = tuple[datetime, datetime]
"""From the first moment up to but excluding the second."""

HORIZON: Final = timedelta(days=400)
"""A window that does not open within a year and a month never does: by then every weekday and holiday has passed."""

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_BLOCK: Final = timedelta(days=32)
"""Openings are worked out in blocks of this length: a second look at the same month costs two searches in a list."""


class Hours:
    """The times at which sending is allowed in each of `zones`.

    `spans_on` gives the openings of a day in naive local time; they may end on the next day. A local time that repeats
    is open both times; one that is skipped is never open. Instances cache their results: keep one for each set of
    zones. `within`: other hours that contain all of these.
    """

    def __init__(
        self, spans_on: Callable[[date], Iterable[Span]], zones: Sequence[ZoneInfo], *, within: "Hours | None" = None
    ) -> None:
        self._spans_on = spans_on
        self._within = within
        self._zones = tuple(zones)
        self._blocks: dict[int, tuple[list[datetime], list[datetime]]] = {}

    def allowed(self, moment: datetime) -> bool:
        """Return whether sending is allowed at `moment` (aware)."""
        begins, ends = self._block((moment - _EPOCH) // _BLOCK)
        index = bisect_right(begins, moment) - 1
        return index >= 0 and moment < ends[index]

    def next_open(self, moment: datetime) -> datetime | None:
        """Return the first moment at or after `moment` at which sending is allowed, in UTC.

        Returns None if there is none in the next 400 days.
        """
        return next((max(begins, moment.astimezone(UTC)) for begins, _ in self._from(moment)), None)

    def closes_at(self, moment: datetime) -> datetime | None:
        """Return the first moment at or after `moment` at which sending is not allowed, in UTC.

        Returns None if there is none in the next 400 days.
        """
        closes = moment.astimezone(UTC)
        for begins, ends in self._from(closes):
            if begins > closes:
                return closes
            closes = ends
        return closes if closes - moment < HORIZON else None

    def after(self, moment: datetime, open_time: timedelta) -> datetime | None:
        """Return the moment, in UTC, at which `open_time` has passed since `moment`. Closed time does not count.

        Sending is allowed at that moment. Returns None if there is none in the next 400 days.
        """
        moment = moment.astimezone(UTC)
        for begins, ends in self._from(moment):
            here = max(begins, moment)
            if open_time < ends - here:
                return here + open_time
            open_time -= ends - here
        return None

    def _from(self, moment: datetime) -> Iterator[Span]:
        """Yield the spans that end after `moment`, in order, up to the horizon. They may touch."""
        for number in range((moment - _EPOCH) // _BLOCK, (moment + HORIZON - _EPOCH) // _BLOCK + 1):
            begins, ends = self._block(number)
            for index in range(bisect_right(ends, moment), len(ends)):
                if begins[index] - moment >= HORIZON:
                    return
                yield begins[index], ends[index]

    def _block(self, number: int) -> tuple[list[datetime], list[datetime]]:
        found = self._blocks.get(number)
        if found is None:
            begins = _EPOCH + number * _BLOCK
            spans: list[Span] = [(begins, begins + _BLOCK)]
            if self._within is not None:
                spans = list(zip(*self._within._block(number), strict=True))
            for zone in self._zones:
                spans = list(_common(spans, _merged(self._in_zone(begins, begins + _BLOCK, zone))))
            found = self._blocks[number] = [begins for begins, _ in spans], [ends for _, ends in spans]
        return found

    def _in_zone(self, begins: datetime, ends: datetime, zone: ZoneInfo) -> Iterator[Span]:
        for stretch in stretches(begins, ends, zone):
            first, last = stretch.wall(stretch.begins), stretch.wall(stretch.ends)
            # Start with the day before, whose opening may last past midnight.
            for ahead in range(-1, (last.date() - first.date()).days + 1):
                for opens, closes in self._spans_on(first.date() + timedelta(days=ahead)):
                    if (low := max(opens, first)) < (high := min(closes, last)):
                        yield stretch.moment(low), stretch.moment(high)


def whole_day(day: date) -> Iterator[Span]:
    """Yield the span of a whole day."""
    yield datetime.combine(day, time()), datetime.combine(day + timedelta(days=1), time())


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for begins, ends in sorted(spans):
        if merged and begins <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], ends)
        else:
            merged.append((begins, ends))
    return merged


def _common(some: Sequence[Span], others: Sequence[Span]) -> Iterator[Span]:
    """Yield the overlaps of both lists. Each is in order, and its spans do not touch."""
    index = 0
    for begins, ends in some:
        while index < len(others) and others[index][1] <= begins:
            index += 1
        for other in others[index:]:
            if other[0] >= ends:
                break
            yield max(begins, other[0]), min(ends, other[1])
