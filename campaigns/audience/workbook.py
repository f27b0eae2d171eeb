"""Tables in the first visible sheet of an .xlsx workbook, as the sheet shows them."""

import errno
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from campaigns.audience.cells import Sheet, shared_texts
from campaigns.audience.encodings import head_of, refuse_no_workbook
from campaigns.audience.opening import TableFile
from campaigns.audience.package import TRUE, Handlers, Package
from campaigns.audience.rows import (
    MAX_CELL_CHARACTERS,
    AudienceProblem,
    AudienceRow,
    Columns,
    read_columns,
    too_long,
)
from campaigns.counting import amount
from campaigns.message.segments import is_sendable


class WorkbookReader:
    """Rows of the first visible sheet. A row's line is its row number in the sheet."""

    encoding = "xlsx"

    def __init__(self, path: TableFile, header: Columns, notes: tuple[str, ...]) -> None:
        self.path, self.header = path, header
        self._notes = notes
        self._hidden = self._first_hidden = 0
        self._hidden_columns: list[str] = []

    @property
    def columns(self) -> tuple[str, ...]:
        return self.header.known

    @property
    def warnings(self) -> tuple[str, ...]:
        notes = list(self._notes)
        if self._hidden:
            rows = amount(self._hidden, "row")
            note = f"{self.path.name} has {rows} hidden or filtered (first: row {self._first_hidden})"
            notes.append(f"{note}; they are read like any other")
        if self._hidden_columns:
            columns = amount(len(self._hidden_columns), "hidden column")
            note = f"{self.path.name} has {columns} that the campaign uses (first: {self._hidden_columns[0][:40]})"
            notes.append(f"{note}; they are read like any other")
        return tuple(notes)

    def __iter__(self) -> Iterator[AudienceRow]:
        header = self.header
        self._hidden = self._first_hidden = 0
        named = frozenset(index for index, name in enumerate(header.names) if name)
        with _first_sheet(self.path) as (book, _notes):
            rows = book.rows(named, header.used, header.number)
            next(rows, None)
            self._hidden_columns = [header.names[index] for index in sorted(header.used & book.hidden_columns)]
            for line, cells, is_hidden in rows:
                if is_hidden:
                    self._hidden += 1
                    self._first_hidden = self._first_hidden or line
                yield _audience_row(header, line, cells)


def _audience_row(header: Columns, line: int, cells: Mapping[int, str]) -> AudienceRow:
    if max(map(len, cells.values()), default=0) > MAX_CELL_CHARACTERS:
        raise too_long(line, "shorten it")
    fields = {name: cells.get(index, "").strip() for name, index in header.wanted}
    number = cells.get(header.number, "")
    if not is_sendable(number) or not all(map(is_sendable, fields.values())):
        broken = next((name for name, text in fields.items() if not is_sendable(text)), header.names[header.number])
        return AudienceRow(line, "", {}, f"has a broken character in {broken}")
    return AudienceRow(line, number, fields)


def open_workbook(path: TableFile, *, number_column: str, fields: Collection[str] | None = None) -> WorkbookReader:
    """Read the header: the first row that is not empty. Raises `AudienceProblem`."""
    refuse_no_workbook(head_of(path))
    with _first_sheet(path) as (book, notes):
        first = next(book.rows(None, None, None), None)
    if first is None:
        raise AudienceProblem("the first sheet is empty", "it needs a header and rows")
    titles = [first.cells.get(index, "") for index in range(max(first.cells) + 1)]
    header = read_columns(titles, number_column=number_column, fields=fields)
    return WorkbookReader(path, header, notes)


@contextmanager
def _first_sheet(path: TableFile) -> Iterator[tuple[Sheet, tuple[str, ...]]]:
    """Open the first sheet that is not hidden, with the notes to report about it."""
    with _as_problem(), Package(path) as package:
        whole = package.relations("")
        workbook = next((target for kind, target in whole.values() if kind == "officeDocument"), "xl/workbook.xml")
        sheets, is_1904 = _sheets(package, workbook)
        parts = package.relations(workbook)
        visible = [
            (title, parts[id_][1]) for title, id_, state in sheets if state == "visible" and _is_table(parts, id_)
        ]
        if not visible:
            raise AudienceProblem("has no visible sheet with cells", "it needs a header and rows")
        others = sum(_is_table(parts, id_) for _, id_, _ in sheets) - 1
        title, part = visible[0]
        which = "first" if others == len(visible) - 1 else "first visible one"
        note = f"{path.name} has {others + 1} sheets: only the {which}, {title}, was read"
        texts = shared_texts(package, _part_of(package, parts, "sharedStrings", workbook))
        codes = _codes(package, _part_of(package, parts, "styles", workbook))
        yield Sheet(package, part, texts, codes, is_1904=is_1904), (note,) if others else ()


@contextmanager
def _as_problem() -> Iterator[None]:
    try:
        yield
    except AudienceProblem:
        raise
    except Exception as error:  # a damaged archive raises nearly anything
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # it points before its own start
            raise
        raise AudienceProblem("is not a workbook that can be read", "save it again, without a password") from error


def _is_table(parts: Mapping[str, tuple[str, str]], id_: str) -> bool:
    return parts.get(id_, ("", ""))[0] == "worksheet"


def _part_of(package: Package, parts: Mapping[str, tuple[str, str]], kind: str, workbook: str) -> str:
    """Return the part of this kind, or empty. Some programs do not refer to it, and put it in the usual place."""
    usual = f"{workbook.rpartition('/')[0]}/{kind}.xml".lstrip("/")
    part = next((target for what, target in parts.values() if what == kind), usual)
    return part if package.has(part) else ""


def _sheets(package: Package, workbook: str) -> tuple[list[tuple[str, str, str]], bool]:
    """Return title, id and state of each sheet in order, and whether days count from 1904."""
    found: list[tuple[str, str, str]] = []
    is_1904 = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal is_1904
        if name == "sheet":
            id_ = next((value for key, value in attributes.items() if key.endswith(":id")), "")
            found.append((attributes.get("name", "")[:31], id_, attributes.get("state", "visible")))
        elif name == "workbookPr":
            is_1904 = attributes.get("date1904") in TRUE

    package.read(workbook, Handlers(start))
    return found, is_1904


def _codes(package: Package, part: str) -> list[str]:
    """Return the number format of each style."""
    own: dict[int, str] = {}
    used: list[int] = []
    inside = ""

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal inside
        if name in ("numFmts", "cellXfs"):
            inside = name
        elif name == "numFmt" and inside == "numFmts":
            own[int(attributes["numFmtId"])] = attributes.get("formatCode", "General")
        elif name == "xf" and inside == "cellXfs":
            used.append(int(attributes.get("numFmtId", "0")))

    def end(name: str) -> None:
        nonlocal inside
        inside = "" if name == inside else inside

    if not part:
        return []
    package.read(part, Handlers(start, end))
    from openpyxl.styles.numbers import BUILTIN_FORMATS  # 6 MiB, needed only for workbooks

    return [own.get(id_) or BUILTIN_FORMATS.get(id_, "General") for id_ in used]
