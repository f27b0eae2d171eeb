"""The zone of a person: named in the row, or told by the number, or the campaign's."""

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

from campaigns.calendar.localtime import known_zones
from campaigns.definition.schedule import LocalTime, Schedule
from campaigns.values.scalars import nearest

NEVER: Final = re.compile(r"(?!)")

ZONE_COLUMN: Final = "timezone"
"""The column that says in which zone a person is."""


class ZoneOrigin(StrEnum):
    """Who says in which zone a person is."""

    COLUMN = "column"  # the row itself, in its column timezone
    NUMBER = "number"  # the beginning of the number
    CAMPAIGN = "campaign"  # nobody: the zone of the campaign stands in


class InvalidZone(Exception):
    """A row whose zone cannot be read; `reason` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Zones:
    """Every zone in which a person may be, by IANA names in alphabetical order: all of them must allow a text."""

    names: tuple[str, ...]
    origin: ZoneOrigin

    @property
    def infos(self) -> tuple[ZoneInfo, ...]:
        return tuple(map(ZoneInfo, self.names))


def zones_of(number: str, column_value: str, campaign_zone: str) -> Zones:
    """The zones of the person with this number (E.164): of the column if it says something, else of the number.

    A number of a country with several zones stands for all in which it can be; one that tells nothing, for the
    campaign's zone. Equal zones are the same object. Raises InvalidZone for a column that names no zone.
    """
    name = column_value.strip()
    if name:
        return _named(name)
    return _of_number(number.removeprefix("+")) or _by_campaign(campaign_zone)


def clocks_of(schedule: Schedule, number: str, row: Mapping[str, str]) -> Zones:
    """By whose clocks a date in the row of this number is meant, and a time with an offset is shown. As `zones_of`."""
    named = row.get(ZONE_COLUMN, "")
    if schedule.local_time is LocalTime.RECIPIENT or named.strip():
        return zones_of(number, named, schedule.timezone)
    return _by_campaign(schedule.timezone)


@cache
def _by_campaign(name: str) -> Zones:
    return Zones((name,), ZoneOrigin.CAMPAIGN)


@cache
def _named(name: str) -> Zones:
    if name not in known_zones():
        near = _nearest_zone(name)
        hint = f"did you mean {near}?" if near else "write a name of the IANA list, such as Europe/Rome"
        raise InvalidZone(f"its timezone is not known ({hint})")  # a wrong column may hold anything: it is not shown
    return Zones((name,), ZoneOrigin.COLUMN)


@lru_cache(maxsize=256)  # 600 names take milliseconds, and a mistake in a table is seldom in one row alone
def _nearest_zone(name: str) -> str:
    return nearest(name.replace(" ", "_"), sorted(known_zones()))


def _of_number(digits: str) -> Zones | None:
    for length in range(TIMEZONE_LONGEST_PREFIX, 0, -1):
        if digits[:length] in TIMEZONE_DATA:
            near = _by_prefix(digits[:length])
            code = _calling_code(digits[:3])
            wide = _by_prefix(code)
            # The area of a number tells where a landline is, and a mobile only where mobiles have areas.
            return near if near is wide or _geographic(code).fullmatch(digits, len(code)) else wide
    return None


@cache
def _by_prefix(prefix: str) -> Zones | None:
    """The zones of the longest beginning of `prefix` that the table knows."""
    while prefix and prefix not in TIMEZONE_DATA:
        prefix = prefix[:-1]
    names = tuple(sorted(set(TIMEZONE_DATA.get(prefix, ())) - {UNKNOWN_TIMEZONE}))
    return _shared(names) if names else None


@cache
def _shared(names: tuple[str, ...]) -> Zones:
    return Zones(names, ZoneOrigin.NUMBER)


@cache
def _calling_code(digits: str) -> str:
    """The calling code with which these digits begin: no code is the beginning of another."""
    return next((digits[:width] for width in (1, 2, 3) if int(digits[:width]) in COUNTRY_CODE_TO_REGION_CODE), "")


@cache
def _geographic(code: str) -> re.Pattern[str]:
    """What may follow a calling code in numbers whose beginning names an area."""
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
