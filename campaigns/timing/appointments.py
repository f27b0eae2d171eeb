"""The reminders of one row: its appointment, whether that still stands, and when each text may leave."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.calendar.localtime import to_utc
from campaigns.definition.schedule import LocalTime, Schedule
from campaigns.lifecycle import RecipientState
from campaigns.message.segments import is_blank
from campaigns.message.templates import field_name
from campaigns.timing.departures import Placement
from campaigns.timing.moments import Timetable, date_in
from campaigns.timing.placing import placement_of
from campaigns.timing.slots import NO_DATE, REMEMBERED, Slot
from campaigns.timing.zones import ZONE_COLUMN, ZoneOrigin, Zones, clocks_of

CANCELLED_COLUMN: Final = "cancelled"
"""The column that says whether an appointment is cancelled, unless the campaign file names another."""

LONGEST_KEY: Final = 60
"""Characters. A longer key is replaced by its hash."""

_YES: Final = frozenset(
    {"1", "true", "t", "yes", "y", "x", "on", "si", "sì", "sí", "s", "oui", "o", "ja", "j"}
    | {"cancelled", "canceled", "annullato", "annullata", "annulé", "annulée", "storniert", "abgesagt"}
    | {"cancelado", "cancelada", "afgezegd", "geannuleerd"}
)
_NO: Final = frozenset(
    {"", "0", "false", "f", "no", "n", "off", "none", "null", "nein", "non", "nao", "não", "nee", "-"}
)


class UnclearRow(Exception):
    """A row that does not say clearly whether or when its appointment takes place. The message says why."""


class Appointments:
    """Places the reminders of the rows of one campaign, as of `now` (aware): for one pass over the audience."""

    def __init__(self, schedule: Schedule, now: datetime) -> None:
        if schedule.remind is None:
            raise ValueError("the campaign reminds of nothing: plan it with a Placer")
        self._schedule, self._remind, self._now = schedule, schedule.remind, now
        self._timetable = Timetable(schedule)
        self._is_local = schedule.local_time is LocalTime.RECIPIENT
        self._key_column = field_name(schedule.remind.key) if schedule.remind.key else ""
        self._cancelled_column = field_name(schedule.remind.cancelled or CANCELLED_COLUMN)
        self._date_column = field_name(schedule.remind.column)
        self._known: dict[tuple[str, Zones], tuple[tuple[Slot, Placement], ...]] = {}

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the audience that it asks for."""
        return frozenset({self._date_column, self._cancelled_column, self._key_column, ZONE_COLUMN} - {""})

    def key(self, fields: Mapping[str, str]) -> str:
        """Return what distinguishes this appointment from others of the same person; empty if everybody has one."""
        key = fields.get(self._key_column, "") if self._key_column else ""
        return key if len(key) <= LONGEST_KEY else sha256(key.encode()).hexdigest()

    def is_cancelled(self, fields: Mapping[str, str]) -> bool:
        """Return whether the row's appointment is cancelled. Raises `UnclearRow` if it says neither yes nor no."""
        word = fields.get(self._cancelled_column, "").strip().casefold()
        if word in _NO:
            return False
        if word in _YES:
            return True
        raise UnclearRow(f"its {self._cancelled_column} is neither yes nor no")

    def date(self, number: str, fields: Mapping[str, str]) -> str:
        """Return the date as written in slots; empty if it is missing or unreadable. Raises `InvalidZone`."""
        day, _ = date_in(self._remind, fields)
        return _written(day, self._dated(self._zones(number, fields)).infos[0]) if day is not None else ""

    def reminders(self, number: str, fields: Mapping[str, str]) -> tuple[tuple[Slot, Placement], ...]:
        """Return each text about this row's date: its slot without a key, and when it may leave or why not.

        Without a date there is just one. Raises `InvalidZone`, and `UnclearRow` for an unreadable date.
        """
        zones = self._zones(number, fields)
        known = fields.get(self._date_column, ""), zones
        found = self._known.get(known)
        if found is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            found = self._known[known] = self._placed(zones, fields)
        return found

    def _placed(self, zones: Zones, fields: Mapping[str, str]) -> tuple[tuple[Slot, Placement], ...]:
        day, problem = date_in(self._remind, fields)
        if day is None:
            if not is_blank(fields.get(self._date_column, "")):
                raise UnclearRow(problem)
            return ((Slot("", NO_DATE, ""), Placement(RecipientState.SKIPPED, None, problem)),)
        names = ",".join(zones.names) if self._is_local else ""
        date = _written(day, self._dated(zones).infos[0])
        return tuple(
            (Slot("", moment.label, date), placement_of(moment, names, self._now))
            for moment in self._timetable.moments(zones, fields, self._now)
        )

    def _zones(self, number: str, fields: Mapping[str, str]) -> Zones:
        return clocks_of(self._schedule, number, fields)

    def _dated(self, zones: Zones) -> Zones:
        """Return the zones of a date without an offset, as in `Timetable.moments`."""
        return zones if self._is_local or zones.origin is ZoneOrigin.COLUMN else self._timetable.campaign


def _written(day: "date | datetime", zone: ZoneInfo) -> str:
    """Return a date in one form, however the row writes it: a time becomes UTC, a day stays a day."""
    if not isinstance(day, datetime):
        return day.isoformat()
    at = day.astimezone(UTC) if day.tzinfo else to_utc(day, zone)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
