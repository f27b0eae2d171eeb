"""The numbering plans of all countries as compiled patterns, from the metadata of phonenumbers."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata
from phonenumbers.phonemetadata import PhoneNumberDesc

NEVER: Final = r"(?!)"
"""A pattern that matches nothing."""


@lru_cache(maxsize=1024)
def international(start: str) -> tuple[re.Pattern[str], int]:
    """Return what may follow the calling code that `start` begins with, and the length of plus and code."""
    for width in (1, 2, 3):
        if pattern := _behind(start[:width]):
            return pattern, 1 + width
    return re.compile(NEVER), 0


@lru_cache(maxsize=1024)
def _behind(code: str) -> re.Pattern[str] | None:
    """Return the pattern of what may follow a calling code, or None if it is not a country's code.

    A number that begins with a possible national prefix is left to the library, which may have to remove the prefix.
    """
    regions = COUNTRY_CODE_TO_REGION_CODE.get(int(code), ()) if re.fullmatch("[1-9][0-9]*", code) else ()
    known = [metadata for region in regions if (metadata := PhoneMetadata.metadata_for_region(region))]
    if not known:
        return None
    return re.compile(_without(known[0].national_prefix_for_parsing) + _subscriber(known), re.ASCII)


@lru_cache(maxsize=1024)
def dials_just_00(dials_out: re.Pattern[str]) -> bool:
    """Return whether a country dials out with 00 and nothing longer that begins with it."""
    longer = (dials_out.match(f"00{digits:03}") for digits in range(1000))
    return all(match and match.end() == 2 for match in longer)


def region_patterns(region: str, code: str) -> tuple[re.Pattern[str], re.Pattern[str]] | None:
    """Return patterns of a region's numbers without calling code, and of those without just the plus (in number cells).

    The library removes a calling code only if the rest, and not the whole, can be a number of the region. A number that
    can be read both ways (491511234567 in Germany) is left to the caller.
    """
    metadata = PhoneMetadata.metadata_for_region(region)
    if metadata is None:
        return None
    abroad, _start = international(code)
    prefixes = _without(metadata.national_prefix_for_parsing) + _without(metadata.international_prefix)
    whole = rf"(?:{_pattern(metadata.general_desc)})\Z"
    national = re.compile(f"{prefixes}(?!{code}{whole})(?={whole}){_subscriber([metadata])}", re.ASCII)
    without_plus = re.compile(f"{prefixes}(?!{whole}){code}(?={whole})(?:{abroad.pattern})", re.ASCII)
    return national, without_plus


def _subscriber(regions: Sequence[PhoneMetadata]) -> str:
    """Return a pattern of mobiles or landlines (a group of that name) only: the library tries other kinds first."""
    others = {_pattern(desc) for metadata in regions for desc in _other_kinds(metadata)} - {NEVER}
    mobile = "|".join(_leading(metadata) + _pattern(metadata.mobile) for metadata in regions)
    landline = "|".join(_leading(metadata) + _pattern(metadata.fixed_line) for metadata in regions)
    return rf"(?!(?:{'|'.join(sorted(others)) or NEVER})\Z)(?:{mobile}|(?P<landline>{landline}))"


def _other_kinds(metadata: PhoneMetadata) -> Iterable[PhoneNumberDesc | None]:
    yield from (metadata.premium_rate, metadata.toll_free, metadata.shared_cost, metadata.voip)
    yield from (metadata.personal_number, metadata.pager, metadata.uan, metadata.voicemail)


def _leading(metadata: PhoneMetadata) -> str:
    return f"(?={metadata.leading_digits})" if metadata.leading_digits else ""


def _pattern(desc: PhoneNumberDesc | None) -> str:
    pattern = desc.national_number_pattern if desc else None
    return f"(?:{pattern})" if pattern else NEVER


def _without(prefix: str | None) -> str:
    return f"(?!{prefix})" if prefix else ""
