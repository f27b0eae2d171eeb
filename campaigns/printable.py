"""Makes outside text safe to show: nothing in it can disturb the text around it."""

import re
from typing import Final

_CONTROL: Final = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029"
"""Control characters: a terminal reads them as commands, a log or a table as the end of a line."""

_BIDI: Final = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Marks of writing direction (Unicode TR 9): they reorder the text around them. Letters of every alphabet have their
direction without them."""

_SEVERAL_LINES: Final = re.compile(f"[\t{_CONTROL}{_BIDI}]")
_ONE_LINE: Final = re.compile(f"[\t\n{_CONTROL}{_BIDI}]")

HIDDEN: Final = "�"
"""Replaces each of them."""


def printable(text: str) -> str:
    """Return the text without invisible characters, except line breaks."""
    return _SEVERAL_LINES.sub(HIDDEN, text)


def one_line(text: str) -> str:
    """Like `printable`, but in one line."""
    return _ONE_LINE.sub(HIDDEN, text)


_LONG_NUMBER: Final = re.compile(r"\+?\d{7,}")


def without_numbers(text: str) -> str:
    """Return the text with `[number]` in place of what may be a phone number: for what others wrote."""
    return _LONG_NUMBER.sub("[number]", text)
