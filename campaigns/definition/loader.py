"""Reads YAML into a `Document`: a safe subset, read as texts, with the place of every value."""

import codecs
import errno
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

import yaml

from campaigns.definition.document import Data, Document, KeyPath, Place
from campaigns.definition.syntax import QUOTES, STRAIGHT, TYPOGRAPHIC, explain
from campaigns.opening import NotOrdinaryError, OutsideError, open_inside
from campaigns.problems import MOST_PROBLEMS, CampaignFileError, Problem

MAX_BYTES: Final = 262_144
"""256 KiB: about 4,000 recipients written in the file itself. Larger audiences belong in a CSV."""

MAX_DEPTH: Final = 20
"""The format itself needs 5. The limit keeps hostile nesting cheap."""

MAX_VALUES: Final = 50_000
"""Four for each of 10,000 recipients. Each takes about 400 bytes while the file is read."""

NO_TEXTS: Final = (b"PK\x03\x04", b"{\\rtf", b"%PDF", b"\xd0\xcf\x11\xe0")
"""How word processor files begin, whatever their name."""

NOTHING: Final = frozenset({"", "~", "null"})
"""Unquoted texts that mean "not given". A name such as Null or NULL stays a text."""

# YAML 1.2, section 5.1; a byte order mark inside the text is not allowed either.
NOT_PRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
LINE_BREAK: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


def load_document(path: Path, folder: Path | None = None) -> Document:
    """Read one YAML file, which has to be an ordinary file in `folder`. None: a user named the file, and it may be
    anything readable, such as a pipe.

    Raises CampaignFileError if reading cannot continue; other problems are in the document's `problems`.
    """
    file = str(path)
    try:
        with path.open("rb") if folder is None else open_inside(path, folder) as stream:
            content = stream.read(MAX_BYTES + 1)
    except NotOrdinaryError:
        _stop(Problem(file, 1, 1, "", "the file is not a regular file", "copy its content into one, or remove it"))
    except OutsideError:
        hint = "put a copy of the file there instead of a link"
        _stop(Problem(file, 1, 1, "", "the file is a link that leads out of its folder", hint))
    except OSError as error:
        if error.errno == errno.ELOOP:
            hint = "put the file itself there, or remove the link"
            _stop(Problem(file, 1, 1, "", "the file is a link that leads back to itself", hint))
        _stop(Problem(file, 1, 1, "", f"the file cannot be read: {error.strerror}", "check its name and permissions"))
    if len(content) > MAX_BYTES:
        _stop(Problem(file, 1, 1, "", "the file is larger than 256 KiB", "keep the recipients in a CSV file beside it"))
    return parse_document(_decoded(file, content), file)


def parse_document(text: str, file: str) -> Document:
    """Like `load_document`, for a text that was read already. `file` is the name to show."""
    unprintable = NOT_PRINTABLE.search(text)
    if unprintable:
        line, column = _line_and_column(text[: unprintable.start()])
        what = f"an invisible control character (U+{ord(unprintable[0]):04X})"
        _stop(Problem(file, line, column, "", f"there is {what} here", "delete it, or type the line again"))
    return _Reader(text, file).document()


class _Reader:
    """Builds the data from PyYAML's parser events. The library constructs, resolves and expands nothing."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.lines = LINE_BREAK.split(text)
        # The C parser takes a tenth of the time for 256 KiB, with the same marks; not every platform has it.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self.events: Iterator[yaml.Event] = yaml.parse(text, Loader=loader)
        self.positions: dict[KeyPath, Place] = {}
        self.key_positions: dict[KeyPath, Place] = {}
        self.raw: dict[KeyPath, str] = {}
        self.problems: list[Problem] = []
        self.more_problems = 0
        self.values = 0

    def document(self) -> Document:
        try:
            data = self._only_document()
        except yaml.MarkedYAMLError as error:
            line, column, problem, hint = explain(error, self.lines)
            self._fail(Place(self.file, line, column), problem, hint)
        except yaml.YAMLError:
            self._fail(Place(self.file, 1, 1), "this is not a text file", "save it as plain text in UTF-8")
        if not isinstance(data, dict):
            hint = "start from the commented example that `campaigns init` writes"
            problem = "the file is empty" if data is None else "the file is not made of `key: value` lines"
            self._fail(self.positions.get((), Place(self.file, 1, 1)), problem, hint)
        places = (self.positions, self.key_positions, self.raw)
        return Document(self.file, data, *places, tuple(self.problems), self.more_problems)

    def _only_document(self) -> Data:
        data: Data = None
        documents = 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    hint = "write one file per campaign, and remove the line `---`"
                    self._fail(self._place(event), "a second document starts here", hint)
                data = self._value(next(self.events), ())
        return data

    def _value(self, event: yaml.Event, path: KeyPath) -> Data:
        self.values += 1
        if self.values > MAX_VALUES:
            hint = "keep the recipients in a CSV file beside it"
            self._fail(self._place(event), f"the file has more than {MAX_VALUES:,} values", hint)
        self.positions[path] = self._place(event)
        self._refuse_decoration(event, path)
        if isinstance(event, yaml.ScalarEvent):
            self._keep_raw(event, path)
            self._refuse_unprintable(event, path)
            plain = event.style is None or event.style == ""
            if plain and path[-1:] == ("message",):
                self._refuse_comment(event, path)
            return None if plain and event.value in NOTHING else self._unquoted(event, path)
        if len(path) >= MAX_DEPTH and not isinstance(event, yaml.AliasEvent):
            self._fail(
                self._place(event), f"is nested more than {MAX_DEPTH} levels deep", "check the indentation", path
            )
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        return None

    def _sequence(self, path: KeyPath) -> Data:
        items: list[Data] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: KeyPath) -> Data:
        data: dict[str, Data] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            place = self._place(event)
            if not isinstance(event, yaml.ScalarEvent):
                hint = "put a text that holds {{ }} in quotes, or on the lines after `message: >-`"
                self._fail(place, "there is a bracket where a key should be", hint, path)
            key = self._unquoted(event, path)
            if key != key.lstrip() and not event.style:
                problem = f"a space of another kind (U+{ord(key[0]):04X}) is in the indentation"
                self._fail(place, problem, "indent with ordinary spaces", path)
            here = (*path, key)
            self._refuse_decoration(event, here)
            self._refuse_unprintable(event, here)
            if key in data:
                first = self.key_positions[here].line
                self._note(place, f"is given twice, first in line {first}", "remove one of the two", here)
                self._skip_value(here)
                continue
            self.key_positions[here] = place
            data[key] = self._value(next(self.events), here)
        return data

    def _skip_value(self, path: KeyPath) -> None:
        """Read a value that does not count, and keep the places of the one that does."""
        positions, key_positions, raw = self.positions, self.key_positions, self.raw
        self.positions, self.key_positions, self.raw = {}, {}, {}
        self._value(next(self.events), path)
        self.positions, self.key_positions, self.raw = positions, key_positions, raw

    def _refuse_decoration(self, event: yaml.Event, path: KeyPath) -> None:
        if isinstance(event, yaml.AliasEvent):
            hint = "write the value out, or put a text that starts with * in quotes"
            self._note(self._place(event), f"the alias *{event.anchor} is not allowed", hint, path)
            return
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            hint = f"remove &{anchor}, or put a text that starts with & in quotes"
            self._note(self._place(event), f"the anchor &{anchor} is not allowed", hint, path)
        if getattr(event, "tag", None) is not None:
            hint = "remove it, or put a text that starts with ! in quotes"
            self._note(self._place(event), "a tag (a word that starts with !) is not allowed", hint, path)

    def _refuse_unprintable(self, event: yaml.ScalarEvent, path: KeyPath) -> None:
        """Report control characters. Escapes in double quotes can produce characters that the file may not contain."""
        if found := NOT_PRINTABLE.search(event.value):
            problem = f"contains an invisible control character (U+{ord(found[0]):04X})"
            self._note(self._place(event), problem, "remove the backslash that writes it, and its digits", path)

    def _unquoted(self, event: yaml.ScalarEvent, path: KeyPath) -> str:
        """Return the text. Typographic quotes around it, which mean nothing to YAML, are reported as a mistake."""
        text = str(event.value)
        if event.style or not TYPOGRAPHIC.fullmatch(text):
            return text
        self._note(self._place(event), "this is in typographic quotes", STRAIGHT, path)
        return text[1:-1]

    def _refuse_comment(self, event: yaml.ScalarEvent, path: KeyPath) -> None:
        """Refuse a text such as "We are #1 in town", which everybody would get as "We are"."""
        end = event.end_mark
        rest = self.lines[end.line][end.column :] if end and end.line < len(self.lines) else ""
        if end and rest.lstrip().startswith("#"):
            place = Place(self.file, end.line + 1, end.column + 1 + rest.index("#"))
            hint = (
                STRAIGHT if event.value[:1] in QUOTES else "put the text in quotes, or on the lines after `message: >-`"
            )
            self._note(place, "ends here, because # begins a comment", hint, path)

    def _keep_raw(self, event: yaml.ScalarEvent, path: KeyPath) -> None:
        start, end = event.start_mark, event.end_mark
        if start and end and start.line != end.line:
            # Only the value: text before it in its first line and after it in its last belongs to another value or a
            # comment. A block text begins in the line after its indicator, and ends at the start of the next line.
            first, *rest = self.lines[start.line : end.line + 1]
            rest[-1] = rest[-1][: end.column]
            first = "" if event.style in ("|", ">") else " " * start.column + first[start.column :]
            self.raw[path] = "\n".join([first, *(rest if end.column else rest[:-1])])

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        return Place(self.file, mark.line + 1, mark.column + 1) if mark else Place(self.file, 1, 1)

    def _note(self, place: Place, problem: str, hint: str, path: KeyPath = ()) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(place.problem(path, problem, hint))
        else:
            self.more_problems += 1

    def _fail(self, place: Place, problem: str, hint: str, path: KeyPath = ()) -> NoReturn:
        _stop(*self.problems, place.problem(path, problem, hint))


def _decoded(file: str, content: bytes) -> str:
    hint = "save the file again with the encoding UTF-8"
    if content.startswith(NO_TEXTS):
        _stop(Problem(file, 1, 1, "", "this is not a text file", "save it as plain text in UTF-8"))
    # Windows Notepad calls this Unicode; UTF-32 begins with the same two bytes.
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if content.startswith(codecs.BOM_UTF32_LE) or (not is_utf_16 and b"\0" in content[:2]):
        _stop(Problem(file, 1, 1, "", "the file is encoded in UTF-16 or UTF-32 and does not say which", hint))
    encoding = "utf-16" if is_utf_16 else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line, column = _line_and_column(content[: error.start].decode(encoding, errors="replace"))
        if is_utf_16:
            _stop(Problem(file, line, column, "", "the file begins as UTF-16 but is cut off or damaged here", hint))
        _stop(Problem(file, line, column, "", "a character here is not encoded in UTF-8", hint))


def _line_and_column(before: str) -> tuple[int, int]:
    lines = LINE_BREAK.split(before)
    return len(lines), len(lines[-1]) + 1


def _stop(*problems: Problem) -> NoReturn:
    raise CampaignFileError(problems)
