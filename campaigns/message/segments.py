"""How many SMS segments a text takes, and which character makes it expensive."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import regex

Encoding = Literal["GSM-7", "UCS-2"]

_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = "\f^{}\\[~]|€"
GSM: Final = frozenset(_BASIC + _EXTENDED)
"""The characters of GSM-7."""
_ONLY_BASIC: Final = re.compile(f"[{re.escape(_BASIC)}]*")
_ONLY_GSM: Final = re.compile(f"[{re.escape(_BASIC + _EXTENDED)}]*")
_EXTENDED_ONE: Final = re.compile(f"[{re.escape(_EXTENDED)}]")
_SURROGATE_PAIR: Final = re.compile("[\U00010000-\U0010ffff]")
# What joins several characters into one: accents, vowel signs, joiners, halves of flags, parts of Hangul, CR before LF.
_JOINING: Final = regex.compile(
    r"[\r\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}\p{GCB=Prepend}\p{GCB=RI}\p{GCB=L}\p{GCB=V}\p{GCB=T}]"
)
_CLUSTER: Final = regex.compile(r"\X")

_UNSENDABLE: Final = re.compile("[\0\ud800-\udfff]")
_SHOWN: Final = regex.compile(r"[^\p{Default_Ignorable_Code_Point}\p{White_Space}\p{Cc}\u2800]")

# A single text has 140 octets: 160 septets or 70 UTF-16 units. In a longer text, each segment spends 6 octets on the
# header that joins them on the phone, which leaves 153 septets or 67 units.
_GSM_ALONE: Final = 160
_GSM_JOINED: Final = 153
_UCS_ALONE: Final = 70
_UCS_JOINED: Final = 67


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What a text costs. `units` are septets or UTF-16 code units. `forced_by` is the first character outside GSM-7."""

    encoding: Encoding
    segments: int
    units: int
    forced_by: str = ""


# Nearly every text is a single GSM-7 segment, and those differ only in length.
_ALONE: Final = tuple(Segmentation("GSM-7", 1, units) for units in range(_GSM_ALONE + 1))


def is_sendable(text: str) -> bool:
    """Return whether every character can be stored and sent: no NUL (PostgreSQL rejects it), no lone surrogate."""
    return not _UNSENDABLE.search(text)


def unsendable(text: str) -> str:
    """Return the first character that cannot be sent, such as U+0000; empty if all can."""
    found = _UNSENDABLE.search(text)
    return f"U+{ord(found[0]):04X}" if found else ""


def is_blank(text: str) -> bool:
    """Return whether a text shows nothing: it is empty, or consists of white space and invisible characters."""
    # Nearly every text begins with a visible ASCII character: checking that costs a tenth of the search.
    return not "!" <= text < "\x7f" and not _SHOWN.search(text)


def segmentation(text: str) -> Segmentation:
    """Return encoding, segments and units of `text`. An empty text counts as one segment.

    Source: 3GPP TS 23.038 (default alphabet and its extension table; an extended character takes two septets),
    3GPP TS 23.040 (the header of joined messages), and Android, which cuts UCS-2 between two characters as people see
    them. Escape pairs, surrogate pairs and flags are never split between segments.
    """
    if _ONLY_BASIC.fullmatch(text):
        units = len(text)
        return _ALONE[units] if units <= _GSM_ALONE else Segmentation("GSM-7", -(-units // _GSM_JOINED), units)
    match = _ONLY_GSM.match(text)
    reach = match.end() if match else 0
    if reach == len(text):
        units = reach + len(_EXTENDED_ONE.findall(text))
        if units <= _GSM_ALONE:
            return _ALONE[units]
        costs = (2 if character in _EXTENDED else 1 for character in text)
        return Segmentation("GSM-7", _parts(costs, _GSM_JOINED), units)
    units = len(text) + len(_SURROGATE_PAIR.findall(text))
    if units <= _UCS_ALONE:
        return Segmentation("UCS-2", 1, units, text[reach])
    if _JOINING.search(text):
        parts = _parts_of_clusters(text)
    elif units == len(text):
        parts = -(-units // _UCS_JOINED)
    else:
        parts = _parts(map(_utf16_units, text), _UCS_JOINED)
    return Segmentation("UCS-2", parts, units, text[reach])


def _utf16_units(character: str) -> int:
    return 2 if character > "\uffff" else 1


def _parts_of_clusters(text: str) -> int:
    """Count UCS-2 segments as Android cuts: before a cluster that does not fit, and within one that never would."""
    parts, used = 1, 0
    for cluster in _CLUSTER.findall(text):
        units = len(cluster) + len(_SURROGATE_PAIR.findall(cluster))
        if used + units <= _UCS_JOINED:
            used += units
            continue
        parts, used = parts + (used > 0), 0
        for cost in map(_utf16_units, cluster):
            used += cost
            if used > _UCS_JOINED:
                parts, used = parts + 1, cost
    return parts


def _parts(costs: Iterable[int], room: int) -> int:
    """Count the segments of `room` units needed when no character may be split."""
    parts, used = 1, 0
    for cost in costs:
        used += cost
        if used > room:
            parts, used = parts + 1, cost
    return parts
