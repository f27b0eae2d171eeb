"""One row of an audience, what every reader of rows offers, and what a header has to be."""

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from campaigns.templates import field_name

MAX_CELL_CHARACTERS: Final = 10_000
"""Over this a cell is taken for damage: mostly a quotation mark that is never closed."""


class AudienceProblem(Exception):
    """A table that cannot be used at all; a bad row alone is an `AudienceRow` with its `problem`."""

    def __init__(self, problem: str, hint: str = "") -> None:
        self.problem, self.hint = problem, hint
        super().__init__(f"{problem} ({hint})" if hint else problem)


class AudienceRow(NamedTuple):
    """One row: `line` counts from 1 as an editor does, `number` is as written, `problem` is empty when usable."""

    line: int
    number: str
    fields: Mapping[str, str]
    problem: str = ""


class RowReader(Protocol):
    """A table: can be iterated any number of times, never in memory as a whole."""

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
        """The encoding that was found: `utf-8`, `utf-8-sig`, `utf-16`, `cp1252`; of a workbook `xlsx`."""
        ...

    def __iter__(self) -> Iterator[AudienceRow]: ...


@dataclass(frozen=True, slots=True)
class Columns:
    """A header: every name, the index of the number, and name and index of each field that is wanted."""

    names: tuple[str, ...]
    number: int
    wanted: tuple[tuple[str, int], ...]

    def row(self, line: int, cells: Sequence[str]) -> AudienceRow:
        """The row made of as many cells as there are columns; fields without the space around them."""
        return AudienceRow(line, cells[self.number], {name: cells[index].strip() for name, index in self.wanted})

    def ragged_row(self, line: int, cells: Sequence[str]) -> AudienceRow:
        """The row made of fewer cells (the rest are empty) or more (invalid, when one of those holds anything)."""
        width = len(self.names)
        if any(map(str.strip, cells[width:])):
            problem = f"has {len(cells)} cells where the header has {width}"
            return AudienceRow(line, cells[self.number], {}, problem)
        return self.row(line, [*cells[:width], *[""] * (width - len(cells))])


def read_columns(header: Sequence[str], *, number_column: str, fields: Collection[str] | None = None) -> Columns:
    """The columns named by a header; `fields` are those wanted, None for all. Raises `AudienceProblem`."""
    names = tuple(map(field_name, header))
    for position, name in enumerate(names):
        if not name:
            raise AudienceProblem(f"column {position + 1} has no name in the header", "name it or delete it")
        if (first := names.index(name)) != position:
            raise AudienceProblem(
                f"columns {first + 1} and {position + 1} are both called {name}", "rename one of them"
            )
    number = number_name(names, number_column=number_column)
    wanted = [(name, index) for index, name in enumerate(names) if fields is None or name in fields]
    return Columns(names, names.index(number), tuple(wanted))


def number_name(names: Sequence[str], *, number_column: str) -> str:
    """The name of the column that holds the numbers. Raises `AudienceProblem` with the nearest one."""
    wanted = field_name(number_column)
    if wanted in names:
        return wanted
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.65)  # at the usual 0.6, name is near number
    has = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    hint = f"did you mean number: {near[0]}?" if near else f"it has {has}; name one of them with number:"
    raise AudienceProblem(f"there is no column {number_column}", hint)


def too_long(line: int) -> AudienceProblem:
    """The problem of a cell that is over the limit, or never ends."""
    return AudienceProblem(
        f"line {line}: a cell is over {MAX_CELL_CHARACTERS:,} characters long",
        "perhaps a quotation mark is not closed",
    )
