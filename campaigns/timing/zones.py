"""The zone of a person: named in the row, derived from the number, or the campaign's."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberType
from phonenumbers.phonenumberutil import is_number_type_geographical
from phonenumbers.timezone import UNKNOWN_TIMEZONE
from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX

from campaigns.calendar.localtime import is_zone, known_zones
from campaigns.definition.schedule import LocalTime, Schedule
from campaigns.values.scalars import nearest

NEVER: Final = re.compile(r"(?!)")

ZONE_COLUMN: Final = "timezone"
"""The column with a person's zone."""


class ZoneOrigin(StrEnum):
    """Where a person's zone comes from."""

    COLUMN = "column"  # the row itself, in its column timezone
    NUMBER = "number"  # the beginning of the number
    CAMPAIGN = "campaign"  # neither: the campaign's zone is used instead


class InvalidZone(Exception):
    """A row with an unreadable zone. `reason` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Zones:
    """Every zone in which a person may be, as IANA names in alphabetical order. All of them must allow a text."""

    names: tuple[str, ...]
    origin: ZoneOrigin

    @property
    def infos(self) -> tuple[ZoneInfo, ...]:
        return tuple(map(ZoneInfo, self.names))


def zones_of(number: str, column_value: str, campaign_zone: str) -> Zones:
    """Return the zones of the person with this number (E.164): from the column if it is filled, else from the number.

    A number of a country with several zones stands for all zones in which it can be. A number that reveals nothing
    stands for the campaign's zone. Equal zones are the same object. Raises InvalidZone if the column names no zone.
    """
    name = column_value.strip()
    if name:
        return _named(name)
    return _of_number(number.removeprefix("+")) or _by_campaign(campaign_zone)


def clocks_of(schedule: Schedule, number: str, row: Mapping[str, str]) -> Zones:
    """Return the zones in which dates of this row are read, and times with an offset are shown. Like `zones_of`."""
    named = row.get(ZONE_COLUMN, "")
    if schedule.local_time is LocalTime.RECIPIENT or named.strip():
        return zones_of(number, named, schedule.timezone)
    return _by_campaign(schedule.timezone)


@cache
def _by_campaign(name: str) -> Zones:
    return Zones((name,), ZoneOrigin.CAMPAIGN)


@cache
def _named(name: str) -> Zones:
    if not is_zone(name):
        near = _nearest_zone(name)
        hint = f"did you mean {near}?" if near else "write a name from the IANA list, such as Europe/Rome"
        raise InvalidZone(f"its timezone is unknown ({hint})")  # a wrong column may hold anything, so it is not shown
    return Zones((name,), ZoneOrigin.COLUMN)


@lru_cache(maxsize=256)  # 600 names take milliseconds, and a mistake in a table is seldom in just one row
def _nearest_zone(name: str) -> str:
    return nearest(name.replace(" ", "_"), sorted(known_zones()))


def _of_number(digits: str) -> Zones | None:
    for length in range(TIMEZONE_LONGEST_PREFIX, 0, -1):
        if digits[:length] in TIMEZONE_DATA:
            near = _by_prefix(digits[:length])
            code = _calling_code(digits[:3])
            wide = _by_prefix(code)
            # The area code shows where a landline is, but a mobile only if mobiles have area codes.
            return near if near is wide or _geographic(code).fullmatch(digits, len(code)) else wide
    return None


@cache
def _by_prefix(prefix: str) -> Zones | None:
    """Return the zones of the longest known beginning of `prefix`."""
    while prefix and prefix not in TIMEZONE_DATA:
        prefix = prefix[:-1]
    names = tuple(sorted(set(TIMEZONE_DATA.get(prefix, ())) - {UNKNOWN_TIMEZONE}))
    return _shared(names) if names else None


@cache
def _shared(names: tuple[str, ...]) -> Zones:
    return Zones(names, ZoneOrigin.NUMBER)


@cache
def _calling_code(digits: str) -> str:
    """Return the calling code that these digits begin with. No code is the beginning of another."""
    return next((digits[:width] for width in (1, 2, 3) if int(digits[:width]) in COUNTRY_CODE_TO_REGION_CODE), "")


@cache
def _geographic(code: str) -> re.Pattern[str]:
    """Return a pattern of what may follow a calling code in numbers that begin with an area code."""
    regions = COUNTRY_CODE_TO_REGION_CODE.get(int(code or 0), ())
    patterns = dict.fromkeys(_geographic_patterns(int(code or 0), regions))
    return re.compile("|".join(patterns)) if patterns else NEVER


def _geographic_patterns(code: int, regions: Iterable[str]) -> Iterable[str]:
    mobiles_have_areas = is_number_type_geographical(PhoneNumberType.MOBILE, code)
    for region in regions:
        metadata = PhoneMetadata.metadata_for_region(region)
        if metadata is None:
            continue
        kinds = (metadata.fixed_line, metadata.mobile) if mobiles_have_areas else (metadata.fixed_line,)
        yield from (kind.national_number_pattern for kind in kinds if kind and kind.national_number_pattern)
