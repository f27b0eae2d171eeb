"""Texts in the GSM alphabet instead of UCS-2, where that takes fewer segments.

Sources: the alphabet is that of 3GPP TS 23.038 (`campaigns.message.segments`). Which character stands for which
(`TYPOGRAPHIC`) is this product's own choice: the nearest of the alphabet that leaves meaning and numbers as they are.
That is why ×, °, ², ½ and the low quote ‚ of 12‚50 are not in it, and why a bullet is * and not -, which would be a
minus. Letters lose their accents by their Unicode decompositions; those of `LETTERS` have none, and are written as
passports write them (ICAO Doc 9303, part 3, section 6 A).
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from campaigns.definition.models import TextEncoding
from campaigns.message.segments import GSM, Segmentation, segmentation

TYPOGRAPHIC: Final = {
    "'": "‘’‛‹›′´`",
    '"': "“”„‟«»″",
    "'''": "‴",
    "-": "‐‑‒–—―−",
    "...": "…",
    "..": "‥",
    "/": "⁄∕",
    "*": "•‣●▪◦",
    " ": "\t\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    "\n": "\u2028\u2029",
    # Nobody sees these: soft hyphens, joiners, marks of direction, the mark of byte order, selectors of a look.
    "": "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u2060\u2066\u2067\u2068\u2069\ufeff\ufe0e\ufe0f",
}
"""What is written -> the characters that it stands for. None of them is a letter."""

LETTERS: Final = {
    "Đ": "D", "đ": "d", "Ð": "D", "ð": "d", "Ħ": "H", "ħ": "h", "ı": "i", "Ł": "L", "ł": "l", "Ŋ": "N", "ŋ": "n",
    "Ŧ": "T", "ŧ": "t", "Œ": "OE", "œ": "oe", "Þ": "TH", "þ": "th", "ẞ": "SS",
    "ʹ": "'", "ʻ": "'", "ʼ": "'", "ʽ": "'", "ʺ": '"',
}  # fmt: skip
"""Letters that Unicode does not take apart, and the apostrophes that it counts among the letters."""

_OVERLAY: Final = 1
"""The combining class of strokes through a character: what is struck out must not look as if it counted."""

_GSM: Final = re.compile(f"[{re.escape(''.join(GSM))}]*")
_LINK: Final = re.compile(
    r"(?<![\w.+-])[\w.+-]+(?:://|@)\S+"  # https://example.com/a, somebody@example.com
    r"|(?<![\w.-])(?:[\w-]+\.)+[A-Za-z]{2,}(?!\w)\S*"  # example.com/a
)
"""Links and addresses, which another character would break."""


class _Table(dict[int, str]):
    """What a character becomes, by its code point; as it is unless it is known."""

    def __init__(self) -> None:
        super().__init__({ord(character): character for character in GSM})
        self.update({ord(each): written for written, characters in TYPOGRAPHIC.items() for each in characters})

    def __missing__(self, code: int) -> str:
        return chr(code)


class _PlainTable(_Table):
    """The same, and letters without their accents."""

    def __missing__(self, code: int) -> str:
        return _without_accents(chr(code))


_TABLES: Final = {TextEncoding.GSM: _Table(), TextEncoding.GSM_PLAIN: _PlainTable()}
_TRAILING: Final = "".join(TYPOGRAPHIC.values())


@dataclass(frozen=True, slots=True)
class Transliterated(Segmentation):
    """What a text costs after characters were replaced. `as_written`: the text before; `saved`: segments."""

    as_written: str = ""
    saved: int = 0

    @property
    def replaced(self) -> list[str]:
        """The characters that were replaced, each once, in the order of the text: all that the alphabet lacks."""
        return [character for character in dict.fromkeys(self.as_written) if character not in GSM]


def encoded(text: str, encoding: TextEncoding) -> tuple[str, Segmentation]:
    """Return the text as it is sent, and what it costs: `Transliterated` if it is another one.

    It stays as written unless all of it fits in the GSM alphabet and takes fewer segments there. If something in it
    cannot be replaced, `forced_by` is the first character of those.
    """
    cost = segmentation(text)
    if encoding is TextEncoding.AS_IS or cost.encoding == "GSM-7" or cost.segments == 1:
        return text, cost
    return _shorter(text, cost, encoding)


@lru_cache(maxsize=16)  # a text without fields is everybody's
def _shorter(text: str, cost: Segmentation, encoding: TextEncoding) -> tuple[str, Segmentation]:
    written = _in_gsm(text, _TABLES[encoding])
    found = segmentation(written)
    if found.forced_by:
        return text, replace(cost, forced_by=found.forced_by)
    if found.segments >= cost.segments:
        return text, cost
    saved = cost.segments - found.segments
    return written, Transliterated(found.encoding, found.segments, found.units, as_written=text, saved=saved)


def replacement(character: str, encoding: TextEncoding) -> str:
    """Return what is written for a character that was replaced; '': it is left out, or joins the letter before it."""
    return _replaced(character, _TABLES[encoding])


def _in_gsm(text: str, table: _Table) -> str:
    pieces, at = [], 0
    for link in _LINK.finditer(text):
        end = link.start() + len(link[0].rstrip(_TRAILING))
        pieces += [_replaced(text[at : link.start()], table), text[link.start() : end]]
        at = end
    return "".join([*pieces, _replaced(text[at:], table)])


def _replaced(text: str, table: _Table) -> str:
    # An e and an acute accent are the é of the alphabet: the same letter, in Unicode's words.
    return unicodedata.normalize("NFC", text).translate(table)


@lru_cache(maxsize=1024)  # the letters that campaigns use, at 1 to 3 µs each
def _without_accents(character: str) -> str:
    """Return the letters of the alphabet that are nearest to this one; other characters, and letters without, stay."""
    if character in GSM:
        return character
    if character in LETTERS:
        return LETTERS[character]
    category = unicodedata.category(character)
    if category == "Mn" and unicodedata.combining(character) > _OVERLAY:
        return ""
    if category[0] != "L":
        return character
    parts = [part for part in unicodedata.decomposition(character).split() if part[0] != "<"]
    plain = "".join(_without_accents(chr(int(part, 16))) for part in parts)
    return plain if plain and _GSM.fullmatch(plain) else character
