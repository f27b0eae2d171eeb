"""The digits of a phone number, from what people, spreadsheets and other programs write."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

PLAIN: Final = re.compile(r"\+?[0-9]+")
SPACES_AND_ZERO: Final = " \t.-()'0"
SPACING: Final = dict.fromkeys(map(ord, SPACES_AND_ZERO[:-1]))
PUNCTUATION: Final = dict.fromkeys(map(ord, " \t\r\n.-/~()[]'\"`"))
BETWEEN_NUMBERS: Final = re.compile(r"[/~\n]")
"""Characters between two numbers, or just between the digits of one."""

_AROUND: Final = " \t\r\n\"'`;,"  # a text cell such as `="333..."` or `'333...`, and the end of a list
_DROPPED_CATEGORIES: Final = frozenset({"Cf", "Zs", "Pd", "Ps", "Pe", "Pi", "Pf", "Mn", "Me"})
# Minus, long vowel mark and other signs used as a dash, dots between groups; slashes and waves.
_MARKS: Final = {
    **dict.fromkeys(map(ord, "\u2212\u30fc\u02d7\u2043\u00b7\u2022\u2027\u30fb"), "-"),
    **dict.fromkeys(map(ord, "\u2044\u2215"), "/"),
    **dict.fromkeys(map(ord, "\u2053\u223c\u301c\u3030"), "~"),
    **dict.fromkeys(map(ord, "\u2028\u2029"), "\n"),
}
_LABEL: Final = re.compile(
    r"(?:tel|telephone|phone|mobile|mob|cell|whatsapp|wa|sms|smsto|callto|p|t|m)\.?\s*:\s*(?://)?", re.IGNORECASE
)
_CHAT: Final = re.compile(
    r"(?:(?:https?://)?(?:www\.)?(?:wa\.me/|api\.whatsapp\.com/send/?\?phone=)(?:\+|%2B)?([0-9]+)(?:[/?&].*)?"
    r"|([0-9]+)@(?:s\.whatsapp\.net|c\.us))",
    re.IGNORECASE,
)
_FLOAT: Final = re.compile(r"(\+?[0-9]{6,})[.,]0+")  # an integer column with gaps, as data tools write it
FRACTION: Final = re.compile(r"\+?[0-9]{9,}(?:\.[0-9]{1,6}|,[0-9]{1,2})")
"""A number with decimals other than zeros: all its digits together would be somebody else's number."""

_SCIENTIFIC: Final = re.compile(r"\+?([0-9]+)(?:[.,]([0-9]+))?E\+?([0-9]+)", re.IGNORECASE)
_ROUNDED: Final = re.compile(r"\+?[0-9]{6,}0{6}(?:[.,]0+)?")


class InvalidNumber(Exception):
    """A text that is not a phone number. `reason` says why and never repeats the number.

    `readings` are the possible numbers (E.164) if nobody can tell which one is meant: opt-outs and exclusions apply to
    all of them. `lacks_country`: it may be one in some country, and nothing says which.
    """

    def __init__(self, reason: str, readings: tuple[str, ...] = (), *, lacks_country: bool = False) -> None:
        self.reason, self.readings, self.lacks_country = reason, readings, lacks_country
        super().__init__(reason)


def lost_digits(text: str) -> bool:
    """Return whether a number lost its last digits in a spreadsheet: `3.93331E+11`, or `393331000000` made from it.

    This is for values stored as numbers. From twelve digits on, a spreadsheet shows 3.93331E+11 and writes that to a
    file. Read again from there, it ends in six zeros, as does one phone number in a million.
    """
    if match := _SCIENTIFIC.fullmatch(text):
        return int(match[3][:6]) > len(match[2] or "")
    return _ROUNDED.fullmatch(text) is not None


def unwrapped(raw: str) -> str:
    """Return a number without what programs put around it: `="..."`, `'`, `whatsapp:`, `p:`, a chat address."""
    if not raw.isascii():
        raw = "".join(map(_plainer, raw))
    text = raw.strip(_AROUND)
    if text.startswith('="'):
        text = text[2:].strip(_AROUND)
    if text[:1].isalpha():
        text = _LABEL.sub("", text, count=1)
    match = _CHAT.fullmatch(text) if text[-1:].isalpha() or "//" in text or "wa.me" in text else None
    return f"+{match[1] or match[2]}" if match else text


def digits_of(text: str) -> str:
    """Return the digits, with at most a leading plus. Raises `InvalidNumber`."""
    digits = text.translate(PUNCTUATION)
    if match := _FLOAT.fullmatch(text):
        digits = match[1]
    if PLAIN.fullmatch(digits) and not (lost_digits(text) if match else FRACTION.fullmatch(text)):
        return digits
    text, written = digits, text
    if FRACTION.fullmatch(written) and not match:
        raise InvalidNumber("is not a whole number")
    if match or _SCIENTIFIC.fullmatch(written):
        shown = written if len(written) <= 9 else f"{written[:4]}…"  # more digits would repeat most of the number
        lost = " and digits are lost" if lost_digits(written) else ""
        raise InvalidNumber(f"Excel turned it into {shown}{lost}: format the column as text")
    if not text:
        raise InvalidNumber("empty")
    if any(map(str.isalpha, text)):
        raise InvalidNumber("contains letters")
    odd = next((character for character in text.removeprefix("+") if not "0" <= character <= "9"), "+")
    raise InvalidNumber(f"contains {odd!r}" if odd != "+" else "has a + that is not before the digits")


@lru_cache(maxsize=1024)
def _plainer(character: str) -> str:
    if mark := _MARKS.get(ord(character)):
        return mark
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "No":  # a superscript 2 is a footnote, not a digit of the number
        return character
    if category in _DROPPED_CATEGORIES:
        return ""
    return unicodedata.normalize("NFKC", character).translate(_MARKS)
