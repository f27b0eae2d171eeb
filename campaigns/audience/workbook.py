"""Tables in the first sheet of an .xlsx workbook."""

import warnings
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final

from campaigns.audience.opening import TableFile
from campaigns.audience.rows import MAX_CELL_CHARACTERS, AudienceProblem, AudienceRow, Columns, read_columns, too_long

_MAX_UNPACKED_BYTES: Final = 1 << 30  # a sheet filled to its last row takes some 200 MB; a zip bomb has no end


@dataclass(frozen=True, slots=True)
class WorkbookReader:
    """Rows of the first sheet; a row's line is its number in the sheet."""

    path: TableFile
    header: Columns
    warnings: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return self.header.names

    @property
    def encoding(self) -> str:
        return "xlsx"

    def __iter__(self) -> Iterator[AudienceRow]:
        width = len(self.header.names)
        with _first_sheet(self.path) as (rows, _warnings):
            next(rows)
            for line, cells in rows:
                if max(map(len, cells)) > MAX_CELL_CHARACTERS:
                    raise too_long(line)
                row = self.header.row if len(cells) == width else self.header.ragged_row
                yield row(line, cells)


def open_workbook(path: TableFile, *, number_column: str, fields: Collection[str] | None = None) -> WorkbookReader:
    """Read the header: the first row that is not empty. Raises `AudienceProblem`."""
    with _first_sheet(path) as (rows, notes):
        _line, cells = next(rows, (0, None))
    if cells is None:
        raise AudienceProblem("the first sheet is empty", "it needs a header and rows")
    header = read_columns(cells, number_column=number_column, fields=fields)
    return WorkbookReader(path, header, notes)


_Rows = Iterator[tuple[int, list[str]]]


@contextmanager
def _first_sheet(path: TableFile) -> Iterator[tuple[_Rows, tuple[str, ...]]]:
    """The rows of the first sheet that hold anything, and what to tell about it."""
    with path.binary() as file:
        with _as_problem():
            with zipfile.ZipFile(file) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > _MAX_UNPACKED_BYTES:
                    raise AudienceProblem("unpacks to over a gigabyte", "save it as CSV UTF-8")
            import openpyxl  # 6 MiB that nobody needs who has no workbook

            with warnings.catch_warnings():  # openpyxl warns of styles and extensions that no text depends on
                warnings.simplefilter("ignore")
                workbook = openpyxl.load_workbook(file, read_only=True, data_only=True)
        try:
            sheets = workbook.worksheets
            if not sheets:
                raise AudienceProblem("has no sheet with cells", "it needs a header and rows")
            sheet = sheets[0]
            note = f"{path.name} has {len(sheets)} sheets: only the first, {sheet.title}, was read"
            sheet.reset_dimensions()  # some programs write a wrong size, which would cut the sheet short
            yield _rows(sheet.iter_rows(values_only=True)), (note,) if len(sheets) > 1 else ()
        finally:
            workbook.close()


def _rows(rows: Iterator[tuple[object, ...]]) -> _Rows:
    with _as_problem():
        for line, values in enumerate(rows, start=1):
            cells = list(map(_text, values))
            while cells and not cells[-1]:
                cells.pop()  # a sheet is as wide as anything that was ever formatted in it
            if cells:
                yield line, cells


@contextmanager
def _as_problem() -> Iterator[None]:
    try:
        yield
    except (AudienceProblem, OSError):
        raise
    except Exception as error:  # a damaged workbook makes openpyxl raise nearly anything
        raise AudienceProblem("is no workbook that can be read", "save it again, without password") from error


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    return value.isoformat() if isinstance(value, date | time) else str(value)
