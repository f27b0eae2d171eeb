"""Tables with one JSON object per line."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from math import isinf
from typing import Final

from campaigns.audience.encodings import text_encoding
from campaigns.audience.opening import TableFile
from campaigns.audience.rows import (
    MAX_CELL_CHARACTERS,
    MAX_COLUMNS,
    AudienceProblem,
    AudienceRow,
    number_name,
    too_long,
    too_wide,
)
from campaigns.message.segments import is_sendable
from campaigns.message.templates import field_name
from campaigns.phone_numbers.digits import lost_digits

_HEADER_LINES: Final = 1000  # objects may omit keys, so the columns are those of all the first lines together


@dataclass(frozen=True, slots=True)
class JsonLinesReader:
    """Rows of a .jsonl file. A line that is not an object of plain values is an invalid row."""

    path: TableFile
    encoding: str
    columns: tuple[str, ...]
    number: str
    fields: frozenset[str]

    @property
    def warnings(self) -> tuple[str, ...]:
        return ()

    def __iter__(self) -> Iterator[AudienceRow]:
        used = self.fields | {self.number}
        with self.path.text(self.encoding, newline="\n") as file:
            for line, text in enumerate(file, start=1):
                if not text.strip():
                    continue
                try:
                    members = _members(text)
                    if not any(map(_has_content, members)):
                        continue
                    cells = _cells(members, used, self.number)
                except ValueError as error:
                    yield AudienceRow(line, "", {}, str(error))
                    continue
                if any(len(cell) > MAX_CELL_CHARACTERS for cell in cells.values()):
                    raise too_long(line, "shorten it")
                fields = {name: cell.strip() for name, cell in cells.items() if name in self.fields}
                yield AudienceRow(line, cells.get(self.number, ""), fields)


def open_jsonl(path: TableFile, *, number_column: str, fields: Collection[str] | None = None) -> JsonLinesReader:
    """Find the encoding and the columns. Raises `AudienceProblem`."""
    encoding = text_encoding(path)
    columns: dict[str, None] = {}
    with path.text(encoding, newline="\n") as file:
        for text in islice(file, _HEADER_LINES):
            try:
                columns |= dict.fromkeys(name for key, _ in _members(text) if is_sendable(name := field_name(key)))
            except ValueError:
                continue  # reported with its line number when the rows are read
            if len(columns) > MAX_COLUMNS:
                raise too_wide()
    if not columns:
        raise AudienceProblem(f"has no JSON object in its first {_HEADER_LINES:,} lines", "one a line")
    names = tuple(columns)
    number = number_name(names, number_column=number_column)
    return JsonLinesReader(path, encoding, names, number, frozenset(names if fields is None else fields))


def _members(text: str) -> "_Pairs":
    """Parse the object in a line. Raises ValueError with a reason for the report."""
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs, parse_float=_Float, parse_constant=_constant)
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None
    if not isinstance(pairs, _Pairs):
        raise ValueError("is not a JSON object")  # noqa: TRY004 - one kind of error for one kind of bad line
    return pairs


def _cells(members: "_Pairs", used: frozenset[str], number: str) -> dict[str, str]:
    """Return the used members, as field names and texts. Raises ValueError with a reason for the report.

    A phone number that lost its digits (3.93331E+11) stays as written, to be refused as such.
    """
    cells: dict[str, str] = {}
    for key, value in members:
        name = field_name(key)
        if name in used:
            if name in cells:
                raise ValueError("has the same field twice")
            if isinstance(value, _Float) and name == number and lost_digits(value.literal):
                cells[name] = value.literal
            else:
                cells[name] = _text(name, value)
    return cells


def _has_content(member: tuple[str, object]) -> bool:
    value = member[1]
    return bool(value.strip()) if isinstance(value, str) else value is not None


def _constant(word: str) -> "_Float | None":
    """Programs write NaN where they have no value. Infinity and -Infinity are refused if they are used."""
    return None if word == "NaN" else _Float(word)


class _Float(float):
    """A number with a decimal point or an exponent, and how it is written."""

    def __init__(self, literal: str) -> None:
        self.literal = literal


class _Pairs(list[tuple[str, object]]):
    """The members of one object, which may contain a key twice."""


def _text(key: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and isinf(value):
        raise ValueError(f"contains a number that is too large in {key[:32]}")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if not isinstance(value, str | int | float):
        raise ValueError(f"contains more than one value in {key[:32]}")  # noqa: TRY004 - as above
    text = str(value)
    if not is_sendable(text):
        raise ValueError(f"has a broken character in {key[:32]}")
    return text
