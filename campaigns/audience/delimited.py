"""Tables as spreadsheets export them: cells separated by comma, semicolon, tab or bar, in several encodings."""

import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, NamedTuple, TextIO

from campaigns.audience.encodings import text_encoding
from campaigns.audience.opening import TableFile
from campaigns.audience.rows import MAX_CELL_CHARACTERS, AudienceProblem, AudienceRow, Columns, read_columns, too_long
from campaigns.message.templates import field_name

_GUARDED: Final = re.compile(r'\s*="(.*)"\s*', re.DOTALL)
_DELIMITERS: Final = ",;\t|"

_SAMPLE_CHARACTERS: Final = 1 << 15
"""How much of a file is read to find its separator: some hundred rows, in 10 ms."""

_MAX_RECORD_BYTES: Final = 1 << 24
"""A larger row counts as damaged: an endless one would be held in memory as a whole."""


class Dialect(NamedTuple):
    """How a file is split into cells. If `spaced`, a space before an opening quotation mark is not part of the cell."""

    delimiter: str
    skipped_lines: int = 0
    spaced: bool = False


@dataclass(frozen=True, slots=True)
class DelimitedReader:
    """Rows of a .csv or .tsv file. A row's line is the first line of its record; the file's first line is 1."""

    path: TableFile
    encoding: str
    dialect: Dialect
    header: Columns
    header_line: int

    @property
    def columns(self) -> tuple[str, ...]:
        return self.header.known

    @property
    def warnings(self) -> tuple[str, ...]:
        if self.encoding != "cp1252":
            return ()
        return (f"{self.path.name} is not UTF-8 and was read as Windows-1252: check the accents in the samples",)

    def __iter__(self) -> Iterator[AudienceRow]:
        return self._rows()

    def doubtful(self) -> Iterator[AudienceRow]:
        """Yield the rows from the first line that could be damaged: they reveal whatever reading all rows would.

        A line without quotation marks that is shorter than the limit of a cell is always a row. Checking each line for
        that takes an eighth of the time of making rows.
        """
        return self._rows(all_of_them=False)

    def _rows(self, *, all_of_them: bool = True) -> Iterator[AudienceRow]:
        row, ragged_row, width = self.header.row, self.header.ragged_row, len(self.header.names)
        has_unnamed = not all(self.header.names)
        source = _Source(self.path)
        with _open(source, self.encoding) as file:
            lines, passed = (file, 0) if all_of_them else _past_plain_lines(file, source, self.header_line)
            records = _records(lines, source, self.dialect, passed)
            if not passed:
                next(records)
            for line, cells in records:
                # Joined first: measuring each cell of each row takes a third of the time.
                joined = "".join(cells)
                if len(joined) > MAX_CELL_CHARACTERS and self._is_damaged(cells):
                    raise too_long(line)
                if '="' in joined:
                    cells = list(map(_unguarded, cells))
                if has_unnamed and self.header.is_blank(cells):
                    continue
                yield row(line, cells) if len(cells) == width else ragged_row(line, cells)

    def _is_damaged(self, cells: Sequence[str]) -> bool:
        """Return whether a cell over the limit is used, or looks as if it swallowed the rows after it."""
        used, separators = self.header.used, max(1, len(self.header.names) - 1)
        return any(
            index in used or sum(line.count(self.dialect.delimiter) >= separators for line in cell.splitlines()) > 1
            for index, cell in enumerate(cells)
            if len(cell) > MAX_CELL_CHARACTERS
        )


def open_delimited(
    path: TableFile, *, number_column: str, fields: Collection[str] | None = None, delimiters: str = _DELIMITERS
) -> DelimitedReader:
    """Find encoding and delimiter, and read the header. Raises `AudienceProblem`."""
    encoding = text_encoding(path)
    source = _Source(path)
    with _open(source, encoding) as file:
        dialect = _sniff(file, delimiters, field_name(number_column), frozenset(fields or ()))
    source = _Source(path)
    with _open(source, encoding) as file:
        line, cells = next(_records(file, source, dialect), (0, None))
    if cells is None:
        raise AudienceProblem("is empty", "it needs a header line and rows")
    header = read_columns(list(map(_unguarded, cells)), number_column=number_column, fields=fields)
    return DelimitedReader(path, encoding, dialect, header, line)


def _unguarded(cell: str) -> str:
    """Return the content of `="..."`, which programs write so that spreadsheets do not read a text as a number."""
    match = _GUARDED.fullmatch(cell)
    return match[1].replace('""', '"') if match else cell


class _Source(io.FileIO):
    """The bytes of a file. Refuses a file in which the row that begins at `line` never ends."""

    line = 1

    def __init__(self, path: TableFile) -> None:
        super().__init__(path.descriptor())
        self._seen = self._bytes = 0

    def readinto(self, buffer: Any) -> int | None:
        count = super().readinto(buffer)
        if self.line != self._seen:
            self._seen, self._bytes = self.line, 0
        self._bytes += count or 0
        if self._bytes > _MAX_RECORD_BYTES:
            raise too_long(self.line)
        return count


def _open(source: _Source, encoding: str) -> TextIO:
    return io.TextIOWrapper(io.BufferedReader(source, 1 << 16), encoding=encoding, newline="")


def _sniff(file: TextIO, delimiters: str, number: str, wanted: Collection[str]) -> Dialect:
    """Return how the file is split. Excel's first line `sep=;` says so. Otherwise the best delimiter is the one that
    yields the wanted columns and rows as wide as the header. On a tie the first wins, so a single column counts as
    comma-separated.
    """
    first = file.readline(_SAMPLE_CHARACTERS)
    declared = first.strip("\r\n\"'")
    skipped_lines = 0
    if declared[:4].lower() == "sep=" and len(declared) == 5:
        delimiters, skipped_lines, first = declared[4], 1, ""
    sample = first + file.read(_SAMPLE_CHARACTERS)
    judged = [
        (_worth(sample, delimiter, number, wanted), Dialect(delimiter, skipped_lines)) for delimiter in delimiters
    ]
    worth, best = max(judged, key=lambda pair: pair[0])
    spaced = best._replace(spaced=True)
    if f'{best.delimiter} "' in sample and _worth(sample, best.delimiter, number, wanted, spaced=True) >= worth:
        return spaced
    return best


def _worth(
    sample: str, delimiter: str, number: str, wanted: Collection[str], *, spaced: bool = False
) -> tuple[int, int, int, int]:
    """Return what speaks for a delimiter, the strongest first: the column of numbers, the other wanted columns, rows as
    wide as the header, and its width."""
    widths: list[int] = []
    names: frozenset[str] = frozenset()
    try:
        for cells in csv.reader(
            io.StringIO(sample, newline=""), delimiter=delimiter, skipinitialspace=spaced, strict=True
        ):
            if any(map(str.strip, cells)):
                names = names or frozenset(map(field_name, cells))
                widths.append(len(cells))
    except csv.Error:
        pass  # the sample ends within a cell, or this delimiter does not fit: only the rows so far count
    width = widths[0] if widths else 0
    return number in names, len(names.intersection(wanted)), widths.count(width) if width > 1 else 0, width


def _past_plain_lines(file: TextIO, source: _Source, header_line: int) -> tuple[Iterator[str], int]:
    """Return the lines from the first that may not be one row or may hold too long a cell, and how many precede it.

    That count is 0 if the header itself, or a line above it, is such a line.
    """
    above: list[str] = []
    passed = 0
    for passed, line in enumerate(file):
        if '"' in line or len(line) > MAX_CELL_CHARACTERS:
            if passed < header_line:
                return chain(above, [line], file), 0
            return chain([line], file), passed
        if passed < header_line:
            above.append(line)
        source.line = passed + 2
    return iter(()), passed + 1


def _records(
    lines: Iterator[str], source: _Source, dialect: Dialect, passed: int = 0
) -> Iterator[tuple[int, list[str]]]:
    """Yield every record that is not blank, with its first line. `passed` lines before `lines` were read already.

    Strict, because a lenient reader takes an unclosed quotation mark for a cell that lasts to the end of the file: the
    people in it would get no text and appear in no report.
    """
    skipped_lines = passed or dialect.skipped_lines
    for _ in range(skipped_lines - passed):
        next(lines, "")
    reader = csv.reader(lines, delimiter=dialect.delimiter, skipinitialspace=dialect.spaced, strict=True)
    line = skipped_lines + 1
    try:
        for cells in reader:
            if cells and (cells[0].strip() or any(map(str.strip, cells))):
                yield line, cells
            source.line = line = skipped_lines + reader.line_num + 1
    except csv.Error as error:
        if "field limit" in str(error):
            raise too_long(line) from None
        hint = "check the quotation marks: a mark inside a quoted cell is written twice"
        raise AudienceProblem(f"line {line}: cannot be split into cells", hint) from error
