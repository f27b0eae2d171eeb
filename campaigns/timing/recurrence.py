"""The moments of a campaign that repeats, through the hours that its zone skips or repeats."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.calendar.cron import Cron
from campaigns.calendar.localtime import stretches, to_utc
from campaigns.definition.schedule import Schedule

SEARCH: Final = timedelta(days=366 * 9)
"""29 February is at most eight years away: after 2096 comes 2104."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """The times of `cron` in `zone`, from `starts` to `until` (both aware and inclusive; None: forever).

    A time of day that the clocks skip becomes the first moment after the gap; one that they repeat is the first of the
    two; two times that coincide are one. A line for every hour or every few minutes (`Cron.by_the_clock`) follows what
    the clocks show: nothing in a gap, both times in a repeated hour.
    """

    cron: Cron
    zone: ZoneInfo
    starts: datetime | None = None
    until: datetime | None = None

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first moment after `moment` (aware), in UTC; None if there is none left."""
        return next(self._after(moment), None)

    def between(self, begins: datetime, ends: datetime) -> Iterator[datetime]:
        """Yield the moments after `begins` up to and including `ends` (aware), in order, in UTC."""
        for moment in self._after(begins):
            if moment > ends:
                return
            yield moment

    def _after(self, moment: datetime) -> Iterator[datetime]:
        begins = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        if self.starts:
            starts = self.starts.astimezone(UTC)
            begins = max(begins, starts.replace(microsecond=0) + timedelta(seconds=starts.microsecond > 0))
        found = begins
        while begins - found < SEARCH:
            ends = begins + timedelta(days=1)
            for at in self._from(begins, ends):
                if self.until and at > self.until:
                    return
                found = at
                yield at
            if self.until and ends > self.until:
                return
            begins = ends

    def _from(self, begins: datetime, ends: datetime) -> Iterator[datetime]:
        """Yield the moments from `begins` up to but excluding `ends` (UTC)."""
        # The second before shows whether the clocks jump at `begins` itself.
        early = begins - timedelta(seconds=1)
        shown = early.astimezone(self.zone).replace(tzinfo=None) + timedelta(seconds=1)
        for stretch in stretches(early, ends, self.zone):
            first, last = stretch.wall(stretch.begins), stretch.wall(stretch.ends)
            skipped = not self.cron.by_the_clock and any(self.cron.walls(shown, first)) if first > shown else False
            if skipped and stretch.begins >= begins:
                yield stretch.begins
            for wall in self.cron.walls(first, last):
                at = stretch.moment(wall)
                if at < begins or (skipped and at == stretch.begins):
                    continue
                if self.cron.by_the_clock or wall.replace(tzinfo=self.zone).astimezone(UTC) == at:
                    yield at
            shown = last


def recurrence_of(schedule: Schedule) -> Recurrence | None:
    """Return the runs of a schedule with `repeat`, from its start to its last day or moment, in its zone."""
    if schedule.repeat is None:
        return None
    until, zone = schedule.repeat.until, schedule.zone
    if isinstance(until, datetime):
        until = until.astimezone(UTC) if until.tzinfo else to_utc(until, zone)
    elif until is not None:
        midnight = datetime.combine(until + timedelta(days=1), time())
        until = to_utc(midnight, zone) - timedelta(microseconds=1)
    return Recurrence(schedule.repeat.cron, zone, schedule.start_at(), until)
