"""The parts of an .xlsx file, which is a zip archive of XML.

It may be crafted to exhaust its reader, so everything has a limit.
"""

import io
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from posixpath import dirname, join, normpath
from typing import Final
from xml.parsers import expat

from campaigns.audience.opening import TableFile
from campaigns.audience.rows import AudienceProblem

MAX_PART_BYTES: Final = 200_000_000
"""Unpacked. A sheet that is filled to its last row takes about 200 MB."""

MAX_SMALL_PART_BYTES: Final = 16_000_000
"""For parts other than sheets and their texts: 65,000 formats take 12 MB."""

_MAX_SECONDS: Final = 30
"""Processor time for all parts together; 200 MB of ordinary cells take 10."""

_LEAST_SECONDS: Final = 2
_SECONDS_PER_MB: Final = 10
"""Per packed MB: a MB of ordinary cells takes one, and 60 kB that unpack to 60 MB of tags took nine."""

_ITEMS: Final = frozenset({"row", "c", "si", "xf"})
_MAX_OTHERS: Final = 100_000
_OTHERS_PER_ITEM: Final = 20
"""Tags other than rows, cells, texts and formats: a text in several colours has about ten of them."""

_MAX_DIRECTORY_BYTES: Final = 1 << 20
_MAX_TOKEN_BYTES: Final = 1 << 20
"""For one tag or comment. Before 2.6, expat reads a tag in pieces again with each piece: 16 MB took 40 s."""

_MAX_DEPTH: Final = 100
_MAX_NAMES: Final = 1_000  # expat keeps each name forever
_CHUNK_BYTES: Final = 1 << 16

TRUE: Final = ("1", "true", "on")
"""How attributes say yes."""

_CSV: Final = "save it as CSV UTF-8"


@dataclass(slots=True)
class Handlers:
    """What to do with a part. Names come without prefix, attributes unchanged."""

    start: Callable[[str, dict[str, str]], None]
    end: Callable[[str], None] = lambda _name: None
    data: Callable[[str], None] | None = None


class Package:
    """The archive. Use it as a context manager."""

    def __init__(self, file: TableFile) -> None:
        self._file = _Bounded(file.descriptor())
        self._seconds = 0.0
        size = os.fstat(self._file.fileno()).st_size
        self._most_seconds = min(_MAX_SECONDS, _LEAST_SECONDS + _SECONDS_PER_MB * size / 1e6)
        try:
            self._archive = zipfile.ZipFile(self._file)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "Package":
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()
        self._file.close()

    def has(self, part: str) -> bool:
        """Return whether there is a part with this name."""
        return part in self._archive.NameToInfo

    def read(self, part: str, handlers: Handlers) -> None:
        """Read all of a small part."""
        for _ in self.walk(part, handlers, limit=MAX_SMALL_PART_BYTES):
            pass

    def walk(self, part: str, handlers: Handlers, *, limit: int = MAX_PART_BYTES) -> Iterator[None]:
        """Read a part piece by piece. After each piece, take what the handlers found.

        Raises `AudienceProblem` above a limit, and nearly anything if the file is damaged.
        """
        info = self._archive.getinfo(part)
        if info.file_size > limit:
            raise AudienceProblem(f"unpacks to over {limit // 1_000_000} MB in one of its parts", _CSV)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise AudienceProblem("is packed in a way that spreadsheets do not use", "save it again")
        parser = _parser(handlers)
        fed = 0
        with self._archive.open(info) as file:
            while True:
                began = time.thread_time()
                chunk = file.read(_CHUNK_BYTES)
                parser.Parse(chunk, not chunk)
                fed += len(chunk)
                self._seconds += time.thread_time() - began
                if self._seconds > self._most_seconds:
                    most = f"{self._most_seconds:.0f} seconds"
                    raise AudienceProblem(f"takes over {most} to read, too long for its size", _CSV)
                if fed - parser.CurrentByteIndex > _MAX_TOKEN_BYTES:
                    raise AudienceProblem("has a tag over a million bytes long", "is it a workbook at all?")
                yield
                if not chunk:
                    return

    def relations(self, part: str) -> dict[str, tuple[str, str]]:
        """Return the parts that this one refers to, by id: their kinds and names. "" means the whole file."""
        found: dict[str, tuple[str, str]] = {}

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "Relationship" and attributes.get("TargetMode") != "External":
                target = normpath(join("/", dirname(part), attributes["Target"])).lstrip("/")
                found[attributes["Id"]] = (attributes["Type"].rpartition("/")[2], target)

        folder, _, file = part.rpartition("/")
        relations = join(folder, "_rels", f"{file}.rels")
        if self.has(relations):
            self.read(relations, Handlers(start))
        return found


class _Bounded(io.FileIO):
    """A file with bounded reads: the archive's directory may list a million parts that do not exist."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = os.fstat(self.fileno()).st_size - self.tell()
        if size > _MAX_DIRECTORY_BYTES:
            raise AudienceProblem("has too many parts for a workbook", _CSV)
        return super().read(size)


class _LocalNames(dict[str, str]):
    """The names of tags without their prefixes."""

    def __missing__(self, name: str) -> str:
        if len(self) > _MAX_NAMES:
            raise _too_many_names()
        self[name] = local = name.rpartition(":")[2]
        return local


def _too_many_names() -> AudienceProblem:
    return AudienceProblem("has more kinds of tags than any workbook", "save it again")


def _parser(handlers: Handlers) -> expat.XMLParserType:
    names, attribute_names, depth, others_left = _LocalNames(), set[str](), 0, _MAX_OTHERS
    on_start, on_end = handlers.start, handlers.end

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, others_left
        depth += 1
        if depth > _MAX_DEPTH:
            raise AudienceProblem("is nested deeper than any workbook", "save it again")
        if not attributes.keys() <= attribute_names:
            attribute_names.update(attributes)
            if len(attribute_names) > _MAX_NAMES:
                raise _too_many_names()
        local = names[name]
        others_left += _OTHERS_PER_ITEM if local in _ITEMS else -1
        if others_left < 0:
            raise AudienceProblem("has more tags beside its cells than any workbook", _CSV)
        on_start(local, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        on_end(names[name])

    def refuse(*_: object) -> None:
        raise AudienceProblem("declares a document type, which no workbook does", "save it again")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = handlers.data
    parser.StartDoctypeDeclHandler = refuse
    return parser
