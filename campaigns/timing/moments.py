"""When each person's texts are due: from the schedule, the person's zones and the row."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.calendar.hours import Hours, whole_day
from campaigns.calendar.localtime import to_utc
from campaigns.definition.schedule import LocalTime, Otherwise, Remind, Schedule
from campaigns.message.segments import is_blank
from campaigns.message.templates import field_name
from campaigns.timing.dates import AmbiguousDate, UnreadableDate, read_date
from campaigns.timing.departures import Departure
from campaigns.timing.zones import ZoneOrigin, Zones
from campaigns.values.durations import format_duration

START: Final = "start"
"""The label of the only moment of a campaign without `remind`."""

NEVER_OPENS: Final = "there is no time in the next 400 days at which the window is open in all of their zones"
SKIP: Final = Otherwise.SKIP


@dataclass(frozen=True, slots=True)
class Moment:
    """One text of a person: when it may leave at the earliest, when it is too late (both in UTC), and which one it is.

    `at` is None exactly if the text is not to be sent; `missed` and `reason` then say what becomes of it and why.
    `latest` is None if it is never too late.
    """

    label: str
    at: datetime | None
    latest: datetime | None = None
    missed: Otherwise | None = None
    reason: str = ""

    def delayed(self, offset: timedelta, hours: Hours) -> "Moment":
        """Return the same text after `offset` more allowed time, for `spread`: waiting for a turn is not being late."""
        if self.at is None:
            return self
        at = hours.after(self.at, offset)
        if at is None:
            return replace(self, at=None, latest=None, missed=SKIP, reason=NEVER_OPENS)
        return replace(self, at=at, latest=self.latest and self.latest + (at - self.at))


class Timetable:
    """The moments of one run of a campaign.

    `firing` (aware) is the moment of a repeated run; without it, the start in the file counts. People with the same
    zones share results, so one instance serves a million people.
    """

    def __init__(self, schedule: Schedule, firing: datetime | None = None) -> None:
        self._schedule = schedule
        self._firing = firing
        self.campaign = Zones((schedule.timezone,), ZoneOrigin.CAMPAIGN)
        self._hours: dict[Zones, Hours] = {}
        self._starts: dict[Zones, datetime | None] = {}

    def moments(self, zones: Zones, row: Mapping[str, str], now: datetime) -> list[Moment]:
        """Return the moments of a person, in file order: one, or one for each offset of `remind`.

        `zones` are the person's own, `row` their fields, `now` (aware) the time of planning. Limits apply in a fixed
        order: the moment itself, the window (the first allowed time from then on), the spread (`Moment.delayed`),
        whether that is too late, and then caps and rates, which only the sender can know.
        """
        clocks = zones if self._schedule.local_time is LocalTime.RECIPIENT else self.campaign
        start = self._start(clocks)
        if self._schedule.at_gateway is not None:  # the gateway waits for the start, so nothing waits here
            late = self._schedule.if_late
            return [Moment(START, now, self._schedule.at_gateway + late.within if late else None)]
        if self._schedule.remind is None:
            return [self._settled(START, start or now, clocks, now)]
        # A reminder has the zone of its date. Nothing leaves before the campaign has started.
        dated = zones if zones.origin is ZoneOrigin.COLUMN else clocks
        begins = max(now, start) if start else now
        return list(self._reminders(self._schedule.remind, dated, clocks, row, begins))

    def hours(self, zones: Zones) -> Hours:
        """Return when the window is open for a person with these zones."""
        clocks = zones if self._schedule.local_time is LocalTime.RECIPIENT else self.campaign
        return self._open(clocks)

    def departure(self, zones: str, moment: datetime, now: datetime) -> Departure:
        """Return when a text may leave that is due at `moment`, for people with these zones, as in a `Departure`."""
        clocks = Zones(tuple(zones.split(",")), ZoneOrigin.COLUMN) if zones else self.campaign
        late, at = self._schedule.if_late, self._open(clocks).next_open(max(moment, now))
        return Departure(zones, at or max(moment, now), moment + late.within if late else None)

    def _open(self, clocks: Zones) -> Hours:
        found = self._hours.get(clocks)
        if found is None:
            window = self._schedule.window
            found = window.hours(*clocks.infos) if window else Hours(whole_day, ())
            self._hours[clocks] = found
        return found

    def _start(self, clocks: Zones) -> datetime | None:
        """Return when the run starts by all of these clocks; None for at once."""
        if clocks not in self._starts:
            starts = [start for zone in clocks.infos if (start := self._start_in(zone))]
            self._starts[clocks] = max(starts, default=None)
        return self._starts[clocks]

    def _start_in(self, zone: ZoneInfo) -> datetime | None:
        if self._firing is None:
            return self._schedule.start_at(zone)
        if zone == self._schedule.zone:
            return self._firing.astimezone(UTC)  # in an hour that comes twice, local time alone is ambiguous
        return to_utc(self._firing.astimezone(self._schedule.zone).replace(tzinfo=None), zone)

    def _settled(
        self, label: str, moment: datetime, clocks: Zones, now: datetime, ends: datetime | None = None
    ) -> Moment:
        """Return the first allowed time at or after `moment`, unless it is too late, as every text is at `ends`."""
        at = self._open(clocks).next_open(max(moment, now))
        if at is None:
            return Moment(label, None, missed=SKIP, reason=NEVER_OPENS)
        late = self._schedule.if_late
        latest = moment + late.within if late else None
        if ends is not None and at >= ends:
            return Moment(label, None, missed=SKIP, reason="the date itself comes before the first allowed time")
        if late and at > moment + late.within:
            by, allowed = format_duration(at - moment - timedelta(microseconds=(at - moment).microseconds)), late.within
            reason = f"too late by {by}, where {format_duration(allowed)} are allowed"
            return Moment(label, None, missed=late.otherwise, reason=reason)
        return Moment(label, at, min(filter(None, (latest, ends)), default=None))

    def _reminders(
        self, remind: Remind, dated: Zones, clocks: Zones, row: Mapping[str, str], now: datetime
    ) -> Iterator[Moment]:
        offsets = [(before, True) for before in remind.before] + [(after, False) for after in remind.after]
        day, problem = date_in(remind, row)
        for offset, is_before in offsets:
            label = f"{format_duration(offset)} {'before' if is_before else 'after'}"
            if day is None:
                yield Moment(label, None, missed=SKIP, reason=problem)
                continue
            moments = [_shifted(day, -offset if is_before else offset, remind, zone) for zone in dated.infos]
            # With several zones, a reminder before the date takes the earliest moment, one after it the latest.
            moment = min(moments) if is_before else max(moments)
            ends = min(_end(day, zone) for zone in dated.infos) if is_before else None
            if moment < now and self._schedule.if_late is None:
                yield Moment(label, None, missed=SKIP, reason="its moment had passed already")
            else:
                yield self._settled(label, moment, clocks, now, ends)


def date_in(remind: Remind, row: Mapping[str, str]) -> tuple[date | datetime | None, str]:
    """Return the date of a row, or None and its problem."""
    text = row.get(field_name(remind.column), "")
    if is_blank(text):
        return None, f"has no '{remind.column}'"
    try:
        return read_date(text, remind.format), ""
    except AmbiguousDate as error:
        return None, f"its '{remind.column}' {error.reason}, or set schedule.remind.format: dmy or mdy"
    except UnreadableDate as error:
        return None, f"its '{remind.column}' {error.reason}"


def _shifted(day: date | datetime, offset: timedelta, remind: Remind, zone: ZoneInfo) -> datetime:
    """Return `day` moved by `offset`, in UTC: whole days keep the time of day, the rest is elapsed time."""
    wall = day if isinstance(day, datetime) else datetime.combine(day, remind.at)
    local = wall.astimezone(zone).replace(tzinfo=None) if wall.tzinfo else wall
    days = timedelta(days=int(offset / timedelta(days=1)))
    if wall.tzinfo and not days:
        return wall.astimezone(UTC) + offset
    return to_utc(local + days, zone) + (offset - days)


def _end(day: date | datetime, zone: ZoneInfo) -> datetime:
    """Return when it is too late for a reminder of `day`, in UTC: at its time, or when the day is over."""
    if isinstance(day, datetime):
        return day.astimezone(UTC) if day.tzinfo else to_utc(day, zone)
    return to_utc(datetime.combine(day + timedelta(days=1), time()), zone)
