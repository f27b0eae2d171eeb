"""Texts from outside as people may be shown them: nothing in them can move what stands around them."""

import re
from typing import Final

_CONTROL: Final = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029"
"""Control characters: a terminal takes them for commands, a log and a table for the end of a line."""

_BIDI: Final = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Marks of the direction of writing (Unicode TR 9): they show what stands around them in another order. Letters of any
alphabet have their direction without them."""

_SEVERAL_LINES: Final = re.compile(f"[\t{_CONTROL}{_BIDI}]")
_ONE_LINE: Final = re.compile(f"[\t\n{_CONTROL}{_BIDI}]")

HIDDEN: Final = "�"
"""Stands in the place of each."""


def printable(text: str) -> str:
    """The text without characters that are not to be seen but for line breaks."""
    return _SEVERAL_LINES.sub(HIDDEN, text)


def one_line(text: str) -> str:
    """As `printable`, in one line."""
    return _ONE_LINE.sub(HIDDEN, text)
