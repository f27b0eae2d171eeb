"""Whose zone counts: column, number, campaign; numbers are checked against the library's own slow answer."""

import random
import time as stopwatch
from collections.abc import Iterator
from zoneinfo import available_timezones

import phonenumbers
import pytest
from phonenumbers.timezone import time_zones_for_number
from phonenumbers.tzdata import TIMEZONE_DATA

from campaigns.timing.zones import InvalidZone, ZoneOrigin, Zones, zones_of

COLUMN, NUMBER, CAMPAIGN = ZoneOrigin.COLUMN, ZoneOrigin.NUMBER, ZoneOrigin.CAMPAIGN


@pytest.mark.parametrize(
    ("number", "column", "names", "origin"),
    [
        ("+393331234567", "", ("Europe/Rome", "Europe/Vatican"), NUMBER),
        ("+393331234567", " America/New_York ", ("America/New_York",), COLUMN),
        ("+12125550123", "", ("America/New_York",), NUMBER),
        ("+819012345678", "", ("Asia/Tokyo",), NUMBER),
        ("+5511961234567", "", ("America/Sao_Paulo",), NUMBER),  # mobiles have area codes in Brazil
        ("+390236618300", "", ("Europe/Rome",), NUMBER),
        ("+61261234567", "", ("Australia/Sydney",), NUMBER),
        ("+888123456789", "", ("Asia/Kathmandu",), CAMPAIGN),  # a calling code without a country
        ("+999123456789", "", ("Asia/Kathmandu",), CAMPAIGN),  # not a calling code at all
    ],
)
def test_the_zones_of_a_person(number: str, column: str, names: tuple[str, ...], origin: ZoneOrigin) -> None:
    assert zones_of(number, column, "Asia/Kathmandu") == Zones(names, origin)


@pytest.mark.parametrize(("number", "some"), [("+79161234567", "Asia/Kamchatka"), ("+61412345678", "Australia/Perth")])
def test_a_mobile_of_a_country_with_several_zones_may_be_in_any_of_them(number: str, some: str) -> None:
    zones = zones_of(number, "", "UTC")

    assert len(zones.names) > 4
    assert some in zones.names
    assert list(zones.names) == sorted(zones.names)
    assert [zone.key for zone in zones.infos] == list(zones.names)


def test_equal_zones_are_one_object() -> None:
    assert zones_of("+12125550123", "", "UTC") is zones_of("+12125550199", "", "Europe/Rome")


@pytest.mark.parametrize(
    ("column", "phrase"),
    [
        ("Europe/Roma", "did you mean Europe/Rome?"),
        ("two hours ahead", "write a name from the IANA list, such as Europe/Rome"),
    ],
)
def test_a_column_that_names_no_zone_is_not_guessed_around(column: str, phrase: str) -> None:
    with pytest.raises(InvalidZone) as caught:
        zones_of("+393331234567", column, "UTC")

    assert phrase in caught.value.reason
    assert column not in caught.value.reason  # a column of that name may hold anything


def numbers() -> Iterator[tuple[str, phonenumbers.PhoneNumber]]:
    """Valid numbers of all regions: the library's examples, with other digits."""
    chance = random.Random(20261122)
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
            example = phonenumbers.example_number_for_type(region, kind)
            if example is None:
                continue
            text = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            width = len(str(example.country_code)) + 1
            for _ in range(12):
                digits = "".join(str(chance.randrange(10)) if chance.random() < 0.6 else one for one in text[width:])
                parsed = phonenumbers.parse(text[:width] + digits)
                written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
                if phonenumbers.is_valid_number(parsed) and written == text[:width] + digits:
                    yield written, parsed


def test_numbers_are_where_the_library_says() -> None:
    known = list(numbers())
    others = [
        (number[:6], zones_of(number, "", "Etc/Unknown").names)
        for number, parsed in known
        if set(zones_of(number, "", "Etc/Unknown").names) != set(time_zones_for_number(parsed))
    ]

    assert len(known) > 2_000
    assert others == []


def test_every_zone_of_the_table_is_known_here() -> None:
    assert {name for names in TIMEZONE_DATA.values() for name in names} <= available_timezones()


def test_a_million_numbers_take_seconds() -> None:
    asked = [number for number, _ in numbers()]
    for number in asked:
        zones_of(number, "", "UTC")

    began = stopwatch.process_time()
    for _ in range(5):
        for number in asked:
            zones_of(number, "", "UTC")

    assert 5 * len(asked) / (stopwatch.process_time() - began) > 100_000  # 478,000 a second were measured
