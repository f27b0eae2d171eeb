"""Phone numbers as people write them, made into E.164 (`+393331234567`)."""

import re
import unicodedata
from contextlib import suppress
from functools import cache
from importlib import resources
from typing import Final

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, NumberParseException, PhoneMetadata, ValidationResult
from phonenumbers.phonemetadata import PhoneNumberDesc

_PLAIN: Final = re.compile(r"\+?[0-9]+")
_SCIENTIFIC: Final = re.compile(r"\+?\d+(?:[.,](\d+))?E\+?(\d+)", re.IGNORECASE)
_ROUNDED: Final = re.compile(r"\+?\d{6,}0{6}(?:[.,]0+)?")
_FLOAT: Final = re.compile(r"(\+?\d{6,})\.0")  # an integer column with gaps, as data tools write it
_PUNCTUATION: Final = dict.fromkeys(map(ord, " \t\r\n.-/()'"))
_DROPPED_CATEGORIES: Final = frozenset({"Cf", "Zs", "Pd"})  # invisible, space, dash


class InvalidNumber(Exception):
    """Text that is no phone number; `reason` says why and never repeats the number."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Normaliser:
    """Makes numbers comparable. `region` (ISO 3166, `IT`) is the country of those written without a country code."""

    def __init__(self, region: str | None = None) -> None:
        self._region = region
        self._code = str(phonenumbers.country_code_for_region(region)) if region else ""
        self._patterns = _region_patterns(region, self._code) if region else None

    def normalise(self, raw: str) -> str:
        """E.164 with its plus of anything that is possible and valid by Google's metadata, of any type.

        Raises `InvalidNumber`. Most numbers are recognised by the compiled patterns of that metadata (the library, at
        37 k/s, would be the slowest part of a plan); what these do not accept goes through the library in full.
        """
        text = raw if _PLAIN.fullmatch(raw) else _clean(raw)
        if text.startswith("00"):
            text = "+" + text[2:]
        if text.startswith("+"):
            for width in (1, 2, 3):
                pattern = _international(text[1 : 1 + width])
                if pattern and pattern.fullmatch(text, 1 + width):
                    return text
        elif self._patterns:
            national, without_plus = self._patterns
            if national.fullmatch(text):
                return f"+{self._code}{text}"
            if without_plus.fullmatch(text):
                return f"+{text}"
        return _by_library(text, self._region)


def lost_digits(text: str) -> bool:
    """Whether a number in a cell lost its last digits in a spreadsheet: `3.93331E+11`, or `393331000000` made of it.

    For what was stored as a number. From twelve digits on a spreadsheet shows 3.93331E+11, and writes that to a file;
    what was read again from there ends in six zeros, as does one phone number in a million.
    """
    if match := _SCIENTIFIC.fullmatch(text):
        return int(match[2][:6]) > len(match[1] or "")
    return _ROUNDED.fullmatch(text) is not None


_TWICE_SPELT: Final = {
    "52": (re.compile(r"\+521(\d{10})"), r"+52\1", re.compile(r"\+52(\d{10})"), r"+521\1"),
    "54": (re.compile(r"\+549(\d{10})"), r"+54\1", re.compile(r"\+54([1-8]\d{9})"), r"+549\1"),
    "55": (re.compile(r"\+55(\d\d)9([6-9]\d{7})"), r"+55\1\2", re.compile(r"\+55(\d\d)([6-9]\d{7})"), r"+55\g<1>9\2"),
}
"""Calling codes whose mobiles have two spellings, on lists or on the network: the longer, as the shorter, and back.

Mexico's 1 ended in 2019; Argentina's 9 is dialled from abroad alone; Brazil's mobiles have a ninth digit since 2016.
"""


def phone_key(number: str) -> str:
    """The same text for every E.164 spelling of one phone: `+5215512345602` and `+525512345602` are one.

    It is the shortest spelling, to compare by and not to send to. What is no such number stays as it is.
    """
    spelling = _TWICE_SPELT.get(number[1:3])
    return spelling[0].sub(spelling[1], number) if spelling and spelling[0].fullmatch(number) else number


def same_phone(sender: str, region_hint: str | None) -> tuple[str, ...]:
    """Every E.164 number that a sender may be, as a gateway spells it: with or without plus, with 00, as at home.

    `region_hint` (ISO 3166) is the country of the person written to; None tries all countries, which takes some
    milliseconds and finds a number in many of them: look which was written to last. Both spellings of a phone are
    in the answer (see `phone_key`), so look for its numbers as they are among those that were sent to. It is empty
    for a shop's name and, without a country, for a short code (fewer than seven digits).
    """
    try:
        text = _clean(sender)
    except InvalidNumber:
        return ()
    readings: list[tuple[str, str | None]]
    if text.startswith("+"):
        readings = [(text, None)]
    elif region_hint:
        readings = [(text, region_hint), (f"+{text}", None)]
    elif len(text) < 7:
        return ()
    else:
        readings = [(f"+{text}", None), *((text, region) for region in sorted(phonenumbers.SUPPORTED_REGIONS))]
    found: dict[str, None] = {}
    for reading, region in readings:
        with suppress(InvalidNumber):
            found |= dict.fromkeys(_spellings(_number(reading, region)))
    return tuple(found)


def _number(text: str, region: str | None) -> str:
    shorter = phone_key(text)
    return _normaliser(region).normalise(shorter if text.startswith("+52") else text)


def _spellings(number: str) -> tuple[str, ...]:
    spelling = _TWICE_SPELT.get(number[1:3])
    if spelling is None:
        return (number,)
    key = phone_key(number)
    return number, key, spelling[2].sub(spelling[3], key)


@cache
def _normaliser(region: str | None) -> Normaliser:
    return Normaliser(region)


def mask(number: str) -> str:
    """The first three and last two characters, for logs: `+39…67`."""
    return f"{number[:3]}…{number[-2:]}" if len(number) > 6 else "…"


def _clean(raw: str) -> str:
    """Digits with at most a leading plus, out of what people and spreadsheets write."""
    if not raw.isascii():
        raw = "".join(map(_plainer, unicodedata.normalize("NFKC", raw)))
    text = raw.strip()
    if text[:4].lower() == "tel:":
        text = text[4:]
    if match := _FLOAT.fullmatch(text):
        return match[1]
    if _SCIENTIFIC.fullmatch(text):
        shown = text if len(text) <= 9 else f"{text[:4]}…"  # more digits would repeat most of the number
        raise InvalidNumber(f"Excel turned it into {shown}: format the column as text")
    text = text.translate(_PUNCTUATION)
    if _PLAIN.fullmatch(text):
        return text
    if not text:
        raise InvalidNumber("empty")
    if any(map(str.isalpha, text)):
        raise InvalidNumber("contains letters")
    odd = next((character for character in text.removeprefix("+") if not "0" <= character <= "9"), "+")
    raise InvalidNumber(f"contains {odd!r}" if odd != "+" else "has a + that does not stand before the digits")


def _plainer(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    return "" if category in _DROPPED_CATEGORIES else character


@cache
def _international(code: str) -> re.Pattern[str] | None:
    """What may follow `+code`, or None when that is no calling code of a country.

    A number whose beginning could be a national prefix is left to the library, which may have to remove it.
    """
    regions = COUNTRY_CODE_TO_REGION_CODE.get(int(code), ()) if code.isdigit() else ()
    known = [metadata for region in regions if (metadata := PhoneMetadata.metadata_for_region(region))]
    if not known or code.startswith("0"):
        return None
    return re.compile(f"{_without(known[0].national_prefix_for_parsing)}(?:{'|'.join(map(_subscriber, known))})")


def _region_patterns(region: str, code: str) -> tuple[re.Pattern[str], re.Pattern[str]] | None:
    """Numbers of a region without its calling code, and those that lost only the plus (in a cell taken for a number).

    The library takes a calling code off only where what is left, and not the whole, can be a number of the region.
    """
    metadata = PhoneMetadata.metadata_for_region(region)
    international = _international(code)
    if metadata is None or international is None:
        return None
    prefixes = _without(metadata.national_prefix_for_parsing) + _without(metadata.international_prefix)
    whole = rf"(?:{_pattern(metadata.general_desc)})\Z"
    national = re.compile(f"{prefixes}(?={whole}){_subscriber(metadata)}")
    without_plus = re.compile(f"{prefixes}(?!{whole}){code}(?={whole})(?:{international.pattern})")
    return national, without_plus


def _subscriber(metadata: PhoneMetadata) -> str:
    leading = f"(?={metadata.leading_digits})" if metadata.leading_digits else ""
    return f"(?:{leading}(?:{_pattern(metadata.mobile)}|{_pattern(metadata.fixed_line)}))"


def _pattern(desc: PhoneNumberDesc | None) -> str:
    return (desc.national_number_pattern if desc else None) or r"(?!)"  # (?!) never matches


def _without(prefix: str | None) -> str:
    return f"(?!{prefix})" if prefix else ""


def _by_library(text: str, region: str | None) -> str:
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException as error:
        raise InvalidNumber(_parse_reason(error, text)) from None
    possible = phonenumbers.is_possible_number_with_reason(number)
    country = _country(phonenumbers.region_code_for_country_code(number.country_code or 0), number.country_code)
    if possible in (ValidationResult.TOO_SHORT, ValidationResult.IS_POSSIBLE_LOCAL_ONLY):
        raise InvalidNumber(f"too short for {country}")
    if possible == ValidationResult.TOO_LONG:
        raise InvalidNumber(f"too long for {country}")
    if not phonenumbers.is_valid_number(number):
        raise InvalidNumber(f"no such number in {country}")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _parse_reason(error: NumberParseException, text: str) -> str:
    if error.error_type == NumberParseException.INVALID_COUNTRY_CODE:
        return "has a country code that does not exist" if text.startswith("+") else _NO_REGION
    if error.error_type == NumberParseException.TOO_LONG:
        return "too long"
    return "too short"


_NO_REGION: Final = "has no country code and no default_region is set"


@cache
def _country(region: str, code: int | None) -> str:
    """The English name of a region. Taken from tzdata's table: the names in phonenumbers take 100 MB of memory."""
    table = resources.files("tzdata.zoneinfo").joinpath("iso3166.tab").read_text(encoding="utf-8")
    names = dict(line.split("\t", 1) for line in table.splitlines() if "\t" in line and not line.startswith("#"))
    return names.get(region, f"country code {code}")
