"""Tables as spreadsheets export them: comma, semicolon, tab or bar between the cells, in several encodings."""

import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from campaigns.audience.encodings import text_encoding
from campaigns.audience.rows import MAX_CELL_CHARACTERS, AudienceProblem, AudienceRow, Columns, read_columns, too_long

_DELIMITERS: Final = ",;\t|"


@dataclass(frozen=True, slots=True)
class DelimitedReader:
    """Rows of a .csv or .tsv file. A row's line is the first one of its record; the file's first line is 1."""

    path: Path
    encoding: str
    delimiter: str
    skipped_lines: int
    header: Columns

    @property
    def columns(self) -> tuple[str, ...]:
        return self.header.names

    @property
    def warnings(self) -> tuple[str, ...]:
        if self.encoding != "cp1252":
            return ()
        return (f"{self.path.name} is not UTF-8 and was read as Windows-1252: look at the accents in the samples",)

    def __iter__(self) -> Iterator[AudienceRow]:
        header, width = self.header, len(self.header.names)
        with _open(self.path, self.encoding) as file:
            records = _records(file, self.delimiter, self.skipped_lines)
            next(records)
            for line, cells in records:
                if max(map(len, cells)) > MAX_CELL_CHARACTERS:
                    raise too_long(line)
                yield header.row(line, cells) if len(cells) == width else header.ragged_row(line, cells)


def open_delimited(
    path: Path, *, number_column: str, fields: Collection[str] | None = None, delimiters: str = _DELIMITERS
) -> DelimitedReader:
    """Find encoding and delimiter, and read the header. Raises `AudienceProblem`."""
    encoding = text_encoding(path)
    with _open(path, encoding) as file:
        delimiter, skipped_lines = _sniff(file, delimiters)
    with _open(path, encoding) as file:
        _line, cells = next(_records(file, delimiter, skipped_lines), (0, None))
    if cells is None:
        raise AudienceProblem("is empty", "it needs a header line and rows")
    header = read_columns(cells, number_column=number_column, fields=fields)
    return DelimitedReader(path, encoding, delimiter, skipped_lines, header)


def _open(path: Path, encoding: str) -> TextIO:
    return path.open(encoding=encoding, newline="")


def _sniff(file: TextIO, delimiters: str) -> tuple[str, int]:
    """The delimiter, and how many lines to skip: 1 for Excel's `sep=;`, which names it. Else the header decides."""
    first = file.readline()
    declared = first.rstrip("\r\n")
    if declared[:4].lower() == "sep=" and len(declared) == 5:
        return declared[4], 1
    while first and not first.strip():
        first = file.readline()
    # The most cells win; `max` takes the first of equals, so a single column counts as separated by commas.
    return max(delimiters, key=lambda delimiter: len(next(csv.reader([first], delimiter=delimiter), ()))), 0


def _records(file: TextIO, delimiter: str, skipped_lines: int) -> Iterator[tuple[int, list[str]]]:
    """Every record that is not blank, with its first line.

    Strict, because a lenient reader takes a quotation mark that is never closed for a cell that lasts to the end of the
    file: the people in it would get no text and appear in no report.
    """
    for _ in range(skipped_lines):
        file.readline()
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    line = skipped_lines + 1
    try:
        for cells in reader:
            if any(cells) and (len(cells) > 1 or cells[0].strip()):
                yield line, cells
            line = skipped_lines + reader.line_num + 1
    except csv.Error as error:
        if "field limit" in str(error):
            raise too_long(line) from None
        hint = "check the quotation marks: a mark inside a quoted cell is written twice"
        raise AudienceProblem(f"line {line}: cannot be split into cells", hint) from error
