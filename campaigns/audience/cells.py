"""The cells of a sheet, row by row, and its shared texts."""

import re
from array import array
from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple

from campaigns.audience.package import TRUE, Handlers, Package
from campaigns.audience.rows import MAX_CELL_CHARACTERS, MAX_COLUMNS, AudienceProblem, too_wide
from campaigns.audience.shown import shown_number

MAX_ROWS: Final = 1_048_576
"""The most rows that a spreadsheet has."""

_MAX_TEXTS: Final = 8 * MAX_ROWS
_MAX_TEXT_BYTES: Final = 100_000_000
"""Limit of all shared texts, which are in memory while the sheet is read."""

_ESCAPE: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_REFERENCE: Final = re.compile(r"\$?([A-Za-z]{1,3})\$?[0-9]{0,7}")


class Row(NamedTuple):
    line: int
    cells: Mapping[int, str]
    is_hidden: bool


class SharedTexts:
    """The texts that cells share, in little more memory than their characters take."""

    def __init__(self) -> None:
        self._bytes, self._ends = bytearray(), array("Q", [0])

    def append(self, text: str) -> None:
        self._bytes += text.encode()
        self._ends.append(len(self._bytes))
        if len(self._bytes) > _MAX_TEXT_BYTES or len(self._ends) > _MAX_TEXTS:
            raise AudienceProblem("contains more text than can be read at once", "save it as CSV UTF-8")

    def __getitem__(self, index: int) -> str:
        if index < 0:
            raise IndexError
        return self._bytes[self._ends[index] : self._ends[index + 1]].decode()


class _Collected:
    """Collects the text of one cell. Of an endless text it keeps just enough to show that it is too long."""

    def __init__(self) -> None:
        self.is_on = False
        self._pieces: list[str] = []
        self._length = 0

    def add(self, text: str) -> None:
        if self.is_on and self._length <= MAX_CELL_CHARACTERS:
            self._pieces.append(text)
            self._length += len(text)

    def take(self) -> str:
        text = "".join(self._pieces)
        self._pieces.clear()
        self._length = 0
        return text


def shared_texts(package: Package, part: str) -> SharedTexts:
    texts, letters = SharedTexts(), _Collected()
    is_reading_aid = False

    def start(name: str, _attributes: dict[str, str]) -> None:
        nonlocal is_reading_aid
        if name == "t":
            letters.is_on = not is_reading_aid
        elif name == "rPh":  # how a Japanese name is pronounced
            is_reading_aid = True

    def end(name: str) -> None:
        nonlocal is_reading_aid
        if name == "t":
            letters.is_on = False
        elif name == "rPh":
            is_reading_aid = False
        elif name == "si":
            texts.append(letters.take()[: MAX_CELL_CHARACTERS + 1])

    if part:
        for _ in package.walk(part, Handlers(start, end, letters.add)):
            pass
    return texts


class Sheet:
    """The cells of one sheet."""

    def __init__(self, package: Package, part: str, texts: SharedTexts, codes: list[str], *, is_1904: bool) -> None:
        self._package, self._part, self._texts, self._codes, self._is_1904 = package, part, texts, codes, is_1904
        self.hidden_columns: set[int] = set()  # known once the first row is read

    def rows(self, named: Collection[int] | None, used: Collection[int] | None, number: int | None) -> Iterator[Row]:
        """Yield the rows that hold anything in the `named` columns, with their `used` cells. None means all columns.

        `number` is the column of phone numbers.
        """
        letters, ready = _Collected(), list[Row]()
        line = column = count = 0
        kind = style = ""
        is_hidden = has_content = is_reading_aid = False
        cells: dict[int, str] = {}

        def start(name: str, attributes: dict[str, str]) -> None:
            nonlocal line, column, count, kind, style, is_hidden, has_content, is_reading_aid, cells
            if name == "c":
                reference = attributes.get("r")
                column = _column(reference) if reference else column + 1
                if column >= MAX_COLUMNS:
                    raise too_wide()
                kind, style = attributes.get("t", "n"), attributes.get("s", "")
            elif name in ("v", "t"):
                is_wanted = named is None or column in named
                letters.is_on = is_wanted and not is_reading_aid and (kind == "inlineStr") == (name == "t")
            elif name == "row":
                count += 1
                given = attributes.get("r", "")
                line = int(given[:8]) if given else line + 1
                if line < 1:
                    raise AudienceProblem("has a row numbered below 1, which is not valid", "save it again")
                if line > MAX_ROWS or count > MAX_ROWS:
                    raise AudienceProblem(
                        f"has a row beyond {MAX_ROWS:,}, the last that a sheet can have", "save it as CSV UTF-8"
                    )
                is_hidden = attributes.get("hidden") in TRUE
                column, has_content, cells = -1, False, {}
            elif name == "rPh":
                is_reading_aid = True
            elif name == "col" and attributes.get("hidden") in TRUE:
                first, last = int(attributes["min"][:8]) - 1, int(attributes["max"][:8])
                if first >= 0 and first not in self.hidden_columns:  # they stand in their order
                    self.hidden_columns.update(range(first, min(last, MAX_COLUMNS)))

        def end(name: str) -> None:
            nonlocal has_content, is_reading_aid
            if name in ("v", "t"):
                letters.is_on = False
            elif name == "c":
                text = self._text(letters.take(), kind, style, is_phone=column == number)
                if text and not text.isspace():
                    has_content = True
                    if used is None or column in used:
                        cells[column] = text
            elif name == "row" and has_content:
                ready.append(Row(line, cells, is_hidden))
            elif name == "rPh":
                is_reading_aid = False

        for _ in self._package.walk(self._part, Handlers(start, end, letters.add)):
            yield from ready
            ready.clear()

    def _text(self, raw: str, kind: str, style: str, *, is_phone: bool) -> str:
        """Return what a cell shows."""
        if not raw or kind == "e":
            return ""
        if kind == "n":
            index = int(style) if style else 0
            code = self._codes[index] if index < len(self._codes) else "General"
            return shown_number(raw.strip(), code, is_phone=is_phone, is_1904=self._is_1904)
        if kind == "b":
            return "TRUE" if raw in TRUE else "FALSE"
        text = self._texts[int(raw)] if kind == "s" else raw
        if "_x" in text:
            text = _ESCAPE.sub(_unescaped, text)
            # An emoji is written as two escapes that form one character.
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _unescaped(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16))


def _column(reference: str) -> int:
    """Return the index of the column in a cell's reference: 0 for A1, 27 for AB3."""
    match = _REFERENCE.fullmatch(reference)
    if not match:
        raise too_wide()
    index = 0
    for letter in match[1].upper():
        index = index * 26 + ord(letter) - 64
    return index - 1
