"""Numbers of one phone that are spelt in two ways."""

import re
from typing import Final

_TWICE_SPELT: Final = {
    "52": (re.compile(r"\+521(\d{10})"), r"+52\1", re.compile(r"\+52(\d{10})"), r"+521\1"),
    "54": (re.compile(r"\+549(\d{10})"), r"+54\1", re.compile(r"\+54([1-8]\d{9})"), r"+549\1"),
    "55": (re.compile(r"\+55(\d\d)9([6-9]\d{7})"), r"+55\1\2", re.compile(r"\+55(\d\d)([6-9]\d{7})"), r"+55\g<1>9\2"),
}
"""Calling codes whose mobiles have two spellings, on lists or on the network: from the longer to the shorter, and back.

Mexico's 1 ended in 2019; Argentina's 9 is dialled only from abroad; Brazil's mobiles have had a ninth digit since 2016.
"""


def phone_key(number: str) -> str:
    """Return the same text for every E.164 spelling of one phone: `+5215512345602` and `+525512345602` are the same.

    It is the shortest spelling. Compare by it, but do not send to it. Other numbers stay as they are.
    """
    spelling = _TWICE_SPELT.get(number[1:3])
    return spelling[0].sub(spelling[1], number) if spelling and spelling[0].fullmatch(number) else number


def spellings_of(number: str) -> tuple[str, ...]:
    """Return every E.164 spelling of one phone, this one first (see `phone_key`)."""
    spelling = _TWICE_SPELT.get(number[1:3])
    if spelling is None:
        return (number,)
    key = phone_key(number)
    return number, key, spelling[2].sub(spelling[3], key)
