"""One row of an audience, the interface of every row reader, and the rules for a header."""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final, NamedTuple, Protocol

from campaigns.message.templates import field_name

MAX_CELL_CHARACTERS: Final = 10_000
"""A longer cell counts as damaged: usually a quotation mark that is never closed."""

MAX_COLUMNS: Final = 16_384
"""The most columns that a spreadsheet has."""


class AudienceProblem(Exception):
    """A table that cannot be used at all. A single bad row is an `AudienceRow` with a `problem`.

    `columns`: those to choose from, if the one that holds the numbers is not there.
    """

    def __init__(self, problem: str, hint: str = "", *, columns: Sequence[str] = ()) -> None:
        self.problem, self.hint, self.columns = problem, hint, tuple(columns)
        super().__init__(f"{problem} ({hint})" if hint else problem)


class AudienceRow(NamedTuple):
    """One row. `line` counts from 1 like an editor, `number` is as written, `problem` is empty if the row is usable."""

    line: int
    number: str
    fields: Mapping[str, str]
    problem: str = ""


_new_row: Final = tuple.__new__
"""Makes a row from all of its values, in a third of the time: there are millions of them."""


class RowReader(Protocol):
    """A table. It can be iterated any number of times and is never in memory as a whole."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns by the names that templates use."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know about how the table was read, in words."""
        ...

    @property
    def encoding(self) -> str:
        """The detected encoding: `utf-8`, `utf-8-sig`, `utf-16` or `cp1252`; `xlsx` for a workbook."""
        ...

    def __iter__(self) -> Iterator[AudienceRow]: ...


@dataclass(frozen=True, slots=True)
class Columns:
    """A header: every name, the index of the number, and name and index of each wanted field."""

    names: tuple[str, ...]
    number: int
    wanted: tuple[tuple[str, int], ...]

    @property
    def known(self) -> tuple[str, ...]:
        """The names that templates can use."""
        return tuple(dict.fromkeys(filter(None, self.names)))

    @property
    def used(self) -> frozenset[int]:
        """The columns that are used. The content of the others does not matter."""
        return frozenset((self.number, *(index for _, index in self.wanted)))

    def is_blank(self, cells: Sequence[str]) -> bool:
        """Return whether every named column is empty: a remark beside the table is not a row."""
        return not any(name and cell.strip() for name, cell in zip_longest(self.names, cells, fillvalue=""))

    def row(self, line: int, cells: Sequence[str]) -> AudienceRow:
        """Return the row made of exactly as many cells as columns. Fields are stripped."""
        fields = {}
        for name, index in self.wanted:  # a comprehension is a call more for each row
            fields[name] = cells[index].strip()
        return _new_row(AudienceRow, (line, cells[self.number], fields, ""))

    def ragged_row(self, line: int, cells: Sequence[str]) -> AudienceRow:
        """Return the row made of fewer cells (the rest are empty) or more (invalid if an extra cell holds anything)."""
        width = len(self.names)
        if any(map(str.strip, cells[width:])):
            problem = f"has {len(cells)} cells where the header has {width}"
            return AudienceRow(line, cells[self.number], {}, problem)
        return self.row(line, [*cells[:width], *[""] * (width - len(cells))])


def read_columns(header: Sequence[str], *, number_column: str, fields: Collection[str] | None = None) -> Columns:
    """Return the columns named by a header. `fields` are those wanted, None for all. Raises `AudienceProblem`.

    An unused column may have no name, or the name of another one.
    """
    if len(header) > MAX_COLUMNS:
        raise too_wide()
    names = tuple(map(field_name, header))
    number = number_name(names, number_column=number_column)
    places: dict[str, int] = {}
    for index, name in enumerate(names):
        if (first := places.setdefault(name, index)) == index:
            continue
        if name and (name == number or fields is None or name in fields):
            raise AudienceProblem(
                f"columns {first + 1} ({_shown(header[first])}) and {index + 1} ({_shown(header[index])}) "
                f"are both called {name}",
                "rename one of them",
            )
    wanted = [(name, index) for name, index in places.items() if name and (fields is None or name in fields)]
    return Columns(names, places[number], tuple(wanted))


def _shown(title: str) -> str:
    return " ".join(title.split())[:40]


def number_name(names: Sequence[str], *, number_column: str) -> str:
    """Return the name of the column that holds the numbers. Raises `AudienceProblem` with the closest name.

    Without that column the first line may be a person's row, so only a word for such a column is repeated from it.
    """
    wanted = field_name(number_column)
    if wanted and wanted in names:
        return wanted
    problem = f"there is no column {number_column}"
    if any(map(_LONG_NUMBER.search, names)):
        hint = "its first line contains a number, so it is not a header: add a line with the column names above it"
        raise AudienceProblem(problem, hint)
    short = [name for name in names[:_NAMES] if is_for_numbers(name)]
    near = difflib.get_close_matches(wanted, short, n=1, cutoff=0)
    hint = f"did you mean number: {near[0]}?" if near else "give the name of the column with the numbers as number:"
    raise AudienceProblem(problem, hint, columns=[name for name in names[:_NAMES] if name])


def is_for_numbers(name: str) -> bool:
    """Return whether a column with this name usually holds numbers."""
    return len(name) <= _NAME_CHARACTERS and _FOR_NUMBERS.search(name) is not None


_LONG_NUMBER: Final = re.compile(r"(?:\d_*){5}")
_NAME_CHARACTERS: Final = 40
_NAMES: Final = 200
_FOR_NUMBERS: Final = re.compile(  # usual names of number columns
    r"(?:^|_)(?:num|numb?er[oi]?|n[uú]mero|numéro|nummer|nr|no|phone|phon|fone?|telephone|t[eé]l[eé]fon[eoi]?|tel|tlf|"
    r"mobil[e]?|m[oó]vil|cell?|cellphone|cellulare|celular|handy|handynummer|telefonnummer|mobilnummer|gsm|msisdn|sms|"
    r"whatsapp)s?(?:_|\d|$)"
)


def too_wide() -> AudienceProblem:
    """Return the problem of a header with more columns than a spreadsheet has."""
    return AudienceProblem(f"has over {MAX_COLUMNS:,} columns", "is it a table at all?")


def too_long(line: int, hint: str = "perhaps a quotation mark is not closed") -> AudienceProblem:
    """Return the problem of a cell that is over the limit or never ends."""
    return AudienceProblem(f"line {line}: a cell is over {MAX_CELL_CHARACTERS:,} characters long", hint)
