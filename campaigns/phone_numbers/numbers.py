"""Turns phone numbers as people write them into E.164 (`+393331234567`)."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Final

import phonenumbers
from phonenumbers import (
    NumberParseException,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberType,
    ValidationResult,
)

from campaigns.phone_numbers.digits import (
    BETWEEN_NUMBERS,
    FRACTION,
    PLAIN,
    PUNCTUATION,
    SPACES_AND_ZERO,
    SPACING,
    InvalidNumber,
    digits_of,
    lost_digits,
    unwrapped,
)
from campaigns.phone_numbers.masking import SHORTEST_ANYWHERE
from campaigns.phone_numbers.numbering import NEVER, dials_just_00, international, region_patterns
from campaigns.phone_numbers.spellings import spellings_of

__all__ = ["InvalidNumber", "Normaliser", "NumberKind", "lost_digits", "region_of", "same_phone"]

_LONGEST_PREFIX: Final = 12  # digits with which a region dials out, and one more

# Old formats that survive in lists: the old national number and the new one. Only if nobody else can have the old one.
_ENDED: Final = {
    52: (re.compile(r"(?:01|04[45]|1)(\d{10})"), r"\1"),  # Mexico, until 2019
    55: (re.compile(r"([1-9]\d)([689]\d{7})"), r"\g<1>9\2"),  # Brazil's mobiles, until 2016
    229: (re.compile(r"(\d{8})"), r"01\1"),  # Benin, until 2024
}


class NumberKind(StrEnum):
    """What kind of number it is, as far as texts are concerned. The words are used in reasons."""

    TEXTABLE = "takes texts"  # a mobile, or nobody can tell that it is not
    LANDLINE = "landline"
    PREMIUM_RATE = "premium-rate number"
    SHARED_COST = "shared-cost number"
    VOICEMAIL = "voicemail, or a digit too many"
    PAGER = "pager"
    COMPANY = "company-wide number (UAN)"
    PERSONAL = "personal number"
    TOLL_FREE = "toll-free number"
    GLOBAL = "satellite or global number, of no country"


_NO_COUNTRY: Final = phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY  # the region of +800, +870, +881, +882 and others
_TEXTABLE: Final = NumberKind.TEXTABLE
_LANDLINE: Final = NumberKind.LANDLINE
_KINDS: Final = {
    PhoneNumberType.FIXED_LINE: _LANDLINE,
    PhoneNumberType.PREMIUM_RATE: NumberKind.PREMIUM_RATE,
    PhoneNumberType.SHARED_COST: NumberKind.SHARED_COST,
    PhoneNumberType.VOICEMAIL: NumberKind.VOICEMAIL,
    PhoneNumberType.PAGER: NumberKind.PAGER,
    PhoneNumberType.UAN: NumberKind.COMPANY,
    PhoneNumberType.PERSONAL_NUMBER: NumberKind.PERSONAL,
    PhoneNumberType.TOLL_FREE: NumberKind.TOLL_FREE,
}


class Normaliser:
    """Makes numbers comparable. `region` (ISO 3166, `IT`) is the country of numbers written without a country code.

    With `mobile_only`, a landline is not textable.
    """

    def __init__(self, region: str | None = None, *, mobile_only: bool = False) -> None:
        self._region = region
        self._mobile_only = mobile_only
        self._code = str(phonenumbers.country_code_for_region(region)) if region else ""
        self._plus_code = "+" + self._code
        self._patterns = region_patterns(region, self._code) if region else None
        metadata = PhoneMetadata.metadata_for_region(region) if region else None
        self._dials_out = re.compile(metadata.international_prefix or "00") if metadata else re.compile("00")
        self._dials_00 = dials_just_00(self._dials_out)

    def normalise(self, raw: str) -> str:
        """Return E.164 with its plus for any kind of number that is possible and valid by Google's metadata.

        Raises `InvalidNumber`.
        """
        return self.read(raw)[0]

    def textable(self, raw: str) -> tuple[str, bool]:
        """Return E.164 of a number that can get texts, and whether it is a landline. Raises `InvalidNumber`."""
        number, kind = self._known(raw) or self._unknown(raw)
        if kind is _TEXTABLE:
            return number, False
        if kind is not _LANDLINE:
            raise InvalidNumber(f"takes no texts: {kind}")
        if self._mobile_only:
            raise InvalidNumber("landline, but the campaign is mobile_only")
        return number, True

    def read(self, raw: str) -> tuple[str, NumberKind]:
        """Return the number like `normalise`, and its kind. Raises `InvalidNumber`.

        The compiled patterns of the library's metadata recognise most numbers (the library itself, at 37 k/s, would be
        the slowest part of a plan). Numbers that they do not accept go through the library in full.
        """
        return self._known(raw) or self._unknown(raw)

    def _known(self, text: str) -> tuple[str, NumberKind] | None:
        if text.startswith("00") and self._dials_00 and not text.startswith("0011"):
            text = "+" + text[2:]
        if text.startswith("+"):
            pattern, start = international(text[1:4])
            if match := pattern.fullmatch(text, start):
                return text, _LANDLINE if match.lastgroup else _TEXTABLE
        elif self._patterns and text.isdigit():
            national, without_plus = self._patterns
            if match := national.fullmatch(text):
                return self._plus_code + text, _LANDLINE if match.lastgroup else _TEXTABLE
            if match := without_plus.fullmatch(text):
                return "+" + text, _LANDLINE if match.lastgroup else _TEXTABLE
        return None

    def _unknown(self, raw: str) -> tuple[str, NumberKind]:
        text = raw.translate(SPACING)
        is_decimal = "." in raw and (not raw.rpartition(".")[2].strip(SPACES_AND_ZERO) or FRACTION.search(raw))
        if is_decimal or not PLAIN.fullmatch(text):
            text = self._clean(raw)
        if text != raw and (known := self._known(text)):
            return known
        if text.startswith("+"):
            return _by_library(text, None)
        if text.startswith("00") or self._dials_out.match(text):
            return self._only(text, [*self._dialled(text), self._plus_code + text])
        if self._code and text.startswith(self._code):
            return self._only(text, [f"+{text}", self._plus_code + text])
        return _by_library(text, self._region)

    def _clean(self, raw: str) -> str:
        """Return digits with at most a leading plus, from what people, spreadsheets and other programs write."""
        text = unwrapped(raw)
        for mark in BETWEEN_NUMBERS.finditer(text, 0, 40):
            head = text[: mark.start()].translate(PUNCTUATION)
            if PLAIN.fullmatch(head) and (first := self._number(head)):
                # 1234567/8 means two lines, not one longer number
                raise InvalidNumber("contains more than one number", (first,))
        return digits_of(text)

    def _number(self, text: str) -> str:
        with suppress(InvalidNumber):
            return self.normalise(text)
        return ""

    def _dialled(self, text: str) -> Iterator[str]:
        """Yield the readings of a text that begins with the digits for dialling out of the region.

        00 stands for a plus everywhere, except before 11: nobody writes +1 1, and Australia dials 0011.
        """
        ends = {end for end in range(1, min(len(text), _LONGEST_PREFIX)) if self._dials_out.fullmatch(text, 0, end)}
        for end in ends | ({2} if text.startswith("00") else set()):
            if not text.startswith("11", end):
                yield "+" + text[end:]

    def _only(self, text: str, readings: Iterable[str]) -> tuple[str, NumberKind]:
        """Return the only reading that is a number. If two are, one of them would be a stranger's."""
        found: dict[str, NumberKind] = {}
        for reading in readings:
            with suppress(InvalidNumber):
                number, kind = self.read(reading)
                found[number] = kind
        if len(found) > 1 or (not found and text.startswith("0011")):
            raise InvalidNumber("can be read as two numbers: write it with + and the country code", tuple(found))
        return found.popitem() if found else _by_library(text, self._region)


def same_phone(sender: str, region_hint: str | None) -> tuple[str, ...]:
    """Return every E.164 number that a sender may be, as a gateway spells it: with or without plus, with 00, national.

    `region_hint` (ISO 3166) is the country of the person who was texted. None tries all countries, which takes some
    milliseconds and finds a number in many of them: choose the one that was texted last. The result has both spellings
    of a phone (see `phone_key`), so search for its numbers unchanged among those that were sent to. It is empty for a
    shop's name and, without a country, for a short code (fewer than seven digits).
    """
    try:
        text = digits_of(unwrapped(sender))
    except InvalidNumber:
        return ()
    if text.startswith("+"):
        readings: list[tuple[str, str | None]] = [(text, None)]
    else:
        every = phonenumbers.SUPPORTED_REGIONS if len(text) >= SHORTEST_ANYWHERE else ()
        readings = [(text, region) for region in ([region_hint] if region_hint else sorted(every))]
        readings.append(("+" + text.removeprefix("00"), None))
    found: dict[str, None] = {}
    for reading, region in readings:
        for spelt in (reading,) if region else spellings_of(reading):  # Brazil's eight-digit ones are no longer valid
            with suppress(InvalidNumber):
                found |= dict.fromkeys(spellings_of(_by_library(spelt, region)[0]))
    return tuple(found)


def region_of(number: str) -> str:
    """Return the country (ISO 3166) of an E.164 number's calling code, the main one of several; empty if none."""
    for width in (1, 2, 3):
        code = number[1 : 1 + width]
        if code.isdecimal() and (regions := phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code))):
            return regions[0] if regions[0] in phonenumbers.SUPPORTED_REGIONS else ""
    return ""


def _by_library(text: str, region: str | None) -> tuple[str, NumberKind]:
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException as error:
        lacks_country = error.error_type == NumberParseException.INVALID_COUNTRY_CODE and not text.startswith("+")
        raise InvalidNumber(_parse_reason(error, text), lacks_country=lacks_country) from None
    if problem := _problem(number):
        old, new = _ENDED.get(number.country_code or 0, (re.compile(NEVER), ""))
        match = old.fullmatch(phonenumbers.national_significant_number(number))
        if match:
            number = phonenumbers.parse(f"+{number.country_code}{match.expand(new)}")
        if not match or _problem(number):
            raise InvalidNumber(problem)
    is_global = phonenumbers.region_code_for_country_code(number.country_code or 0) == _NO_COUNTRY
    kind = _KINDS.get(phonenumbers.number_type(number), NumberKind.GLOBAL if is_global else _TEXTABLE)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), kind


def _problem(number: PhoneNumber) -> str:
    possible = phonenumbers.is_possible_number_with_reason(number)
    country = _country(phonenumbers.region_code_for_country_code(number.country_code or 0), number.country_code)
    if possible in (ValidationResult.TOO_SHORT, ValidationResult.IS_POSSIBLE_LOCAL_ONLY):
        return f"too short for {country}"
    if possible == ValidationResult.TOO_LONG:
        return f"too long for {country}"
    return "" if phonenumbers.is_valid_number(number) else f"no such number in {country}"


def _parse_reason(error: NumberParseException, text: str) -> str:
    if error.error_type == NumberParseException.INVALID_COUNTRY_CODE:
        no_country = "has no country code and no default_region is set"
        return "has a country code that does not exist" if text.startswith("+") else no_country
    if error.error_type == NumberParseException.TOO_LONG:
        return "too long"
    return "too short"


@cache
def _country(region: str, code: int | None) -> str:
    """Return the English name of a region, from tzdata's table: the names in phonenumbers take 100 MB of memory."""
    table = resources.files("tzdata.zoneinfo").joinpath("iso3166.tab").read_text(encoding="utf-8")
    names = dict(line.split("\t", 1) for line in table.splitlines() if "\t" in line and not line.startswith("#"))
    return names.get(region, f"country code {code}")
