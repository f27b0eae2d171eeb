"""YAML's syntax errors in plain words."""

import re
from collections.abc import Sequence
from typing import Final

import yaml

# Part of the parser's message (the C and Python parsers agree in these parts) -> what to say, what to do.
INDENTATION: Final = ("the indentation does not fit the lines above", "line it up with the keys beside it")
LIST_INDENTATION: Final = ("the indentation does not fit the list above", "line it up with the items above")
STRAY: Final = ("something follows the closing quote or bracket", "put such a text on the lines after `key: >-`")
STRANGE_START: Final = ("a value cannot start with this character", "put the value in quotes")
BACKSLASH: Final = ("there is a backslash in double quotes", "use single quotes instead")
SENTENCES: Final = (
    ("could not find expected ':'", "a line here is not `key: value`", "check the line above as well"),
    ("unexpected end of stream", "a quote is opened but never closed", "close it at the end of the text"),
    ("unknown escape character", *BACKSLASH),
    ("hexdecimal number", *BACKSLASH),  # as in "C:\\users"; this is the parser's own spelling
    ("expected escape sequence", *BACKSLASH),
    ("expected <block end>", *INDENTATION),
    ("did not find expected key", *INDENTATION),
    ("did not find expected '-'", *LIST_INDENTATION),
    ("expected ',' or ']'", "a list that was opened with [ is not closed", "separate items by commas and end with ]"),
    (
        "expected ',' or '}'",
        "a bracket that was opened with { is not closed",
        "separate keys by commas and end with }",
    ),
    ("scanning an alias", *STRANGE_START),
    ("scanning an anchor", *STRANGE_START),
    ("block scalar", "the indentation of this text is uneven", "indent all its lines by two spaces"),
)

QUOTES: Final = "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2018\u2019\u201a\u201b\u2039\u203a"
"""Quotes that word processors and phones put in place of straight ones."""

TYPOGRAPHIC: Final = re.compile(f"[{QUOTES}][^{QUOTES.replace(chr(0x2019), '')}]*[{QUOTES}]")
"""A text between two of them that contains no other one except an apostrophe."""

STRAIGHT: Final = "write straight quotes (\" or '), or none"

NO_COLON: Final = re.compile("[\uff1a\ufe55]|:[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000\ufeff]")
"""Characters that look like a colon and a space but are not: from a web page, or another keyboard."""

# For these, the opening place is more helpful than the end of the file.
NEVER_CLOSED: Final = ("unexpected end of stream", "expected ',' or")


COMMENTED_KEY: Final = re.compile(r"\s*#[ #]*\w+:\s*(#.*)?")
"""A key whose mapping stands on the lines below, commented out."""

ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")
"""A character code in double quotes."""


def explain(error: yaml.MarkedYAMLError, lines: Sequence[str]) -> tuple[int, int, str, str]:
    """Return line, column, problem and hint for a syntax error. `lines` are the file's. Never quotes the file."""
    message = f"{error.context or ''} {error.problem or ''}"
    mark = error.problem_mark or error.context_mark
    if any(part in message for part in NEVER_CLOSED):
        mark = error.context_mark or mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    source = lines[line] if line < len(lines) else ""
    if "\t" in source[: len(source) - len(source.lstrip())]:
        return line + 1, column + 1, "there is a tab in the indentation", "indent with spaces"
    for number in (line, line - 1):
        found = NO_COLON.search(lines[number]) if 0 <= number < len(lines) else None
        if found and ": " not in lines[number][: found.start()]:
            problem = "this is not an ordinary colon followed by a space"
            return number + 1, found.start() + 1, problem, "type both again"
    if "Unicode character escape" in message and (escape := ESCAPE.match(source, max(0, column - 2))):
        return line + 1, escape.start() + 1, *_no_character(escape, ESCAPE.match(source, escape.end()))
    problem, hint = "this is not valid YAML", "check the indentation and the quotes here and in the line above"
    if "cannot start any token" in message:
        if "\t" in source[: column + 1]:
            problem, hint = "there is a tab in the indentation", "indent with spaces"
        else:
            problem, hint = STRANGE_START
    elif "mapping values are not allowed" in message:
        second = re.search(r":\s.*:(\s|$)", source)
        problem, hint = ("there is a second `: ` in this line", "put the value in quotes") if second else INDENTATION
    else:
        for part, words, advice in SENTENCES:
            if part in message:
                problem, hint = words, advice
                break
        if (problem, hint) == INDENTATION and source[:column].strip():
            problem, hint = STRAY
        elif (problem, hint) in (INDENTATION, LIST_INDENTATION) and (above := _commented_key(lines, line)):
            hint = f"line {above} holds the key that it belongs under: remove the # there as well"
    if "quoted scalar" in message:
        pass  # it is in straight quotes already, whatever else is in the line
    elif re.search(f": +[{QUOTES}]", source):
        hint = STRAIGHT
    elif "{{" in source:
        hint = "put a text that holds {{ }} in quotes, or on the lines after `message: >-`"
    return line + 1, column + 1, problem, hint


def _commented_key(lines: Sequence[str], line: int) -> int:
    """Return which of the comments right above a line (from 0) is a key without a value, counted from 1; 0: none."""
    while line and lines[line - 1].lstrip().startswith("#"):
        if COMMENTED_KEY.fullmatch(lines[line - 1].rstrip()):
            return line
        line -= 1
    return 0


def _no_character(escape: re.Match[str], following: re.Match[str] | None) -> tuple[str, str]:
    """Return problem and hint for an escape that is half a character. `following`: the escape right after it."""
    code = int(escape[1] or escape[2], 16)
    low = int(following[1] or following[2], 16) if following else 0
    if 0xD800 <= code < 0xDC00 <= low < 0xE000:
        whole = 0x10000 + (code - 0xD800) * 0x400 + low - 0xDC00
        return "a character is written as two escapes, as in JSON", f"write the character itself, or \\U{whole:08X}"
    if 0xD800 <= code < 0xE000:
        return (
            f"this is half of a character (U+{code:04X}), which cannot be sent",
            "write the whole character itself",
        )
    return f"there is no character U+{code:04X}", "write the character itself"
