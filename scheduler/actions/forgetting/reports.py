"""People in reports in the inbox: taken out row by row, whether the campaign file is still there or not."""

import csv
import io
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from campaigns.opening import open_inside
from campaigns.phone_numbers.pseudonyms import ERASED_TEXT
from scheduler.inbox.sidecars import REPORT
from scheduler.report.rows import HEADERS, csv_writer
from scheduler.report.whole import whole_file

NameOf: TypeAlias = Callable[[str], str | None]
"""What stands in place of a number, without text and reply; None: its rows stay as they are."""

_WRITER: Final = "erase."
"""How the drafts are named apart from those of a service that writes the same report at this moment."""

_TRIES: Final = 3
"""How often a report is read again that the service replaced meanwhile."""

_GIVEN_UP_SECONDS: Final = 3_600
"""After this long nobody writes a draft any more: its process was killed."""


@dataclass(slots=True)
class Rewritten:
    """Reports that were written again, by their names in the inbox, and why others may still name people."""

    done: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)


def take_out(inbox: Path, names: Mapping[str, str], result: Rewritten) -> None:
    """Put hashes in place of these numbers (E.164) in all reports of the inbox; it reads each of them."""
    if names:
        for path in reports_in(inbox):
            rewrite(path, inbox, names.get, result)


def reports_in(inbox: Path) -> Iterator[Path]:
    """Yield files that are named like reports; remove drafts of them that were never finished."""
    for folder, _, files in os.walk(inbox.resolve()):
        for name in sorted(files):
            path = Path(folder) / name
            if name.endswith(REPORT):
                yield path
            elif name.startswith(".") and name.endswith(REPORT + ".tmp"):
                with suppress(OSError):
                    if path.lstat().st_mtime < time.time() - _GIVEN_UP_SECONDS:
                        path.unlink()


def rewrite(path: Path, inbox: Path, name_of: NameOf, result: Rewritten) -> None:
    """Write a report again if it names such people. It keeps its time, by which it is forgotten with age."""
    name = os.path.relpath(path, inbox.resolve())
    try:
        for _ in range(_TRIES):
            if (is_changed := _rewrite(path, name_of)) is not None:
                break
        else:
            result.failed[name] = "it is being written"
            return
    except FileNotFoundError:
        return
    except (OSError, UnicodeError, csv.Error) as error:
        result.failed[name] = getattr(error, "strerror", None) or str(error)
        return
    result.failed.pop(name, None)
    if is_changed:
        result.done.add(name)


def _rewrite(path: Path, name_of: NameOf) -> bool | None:
    """Return whether it was written again; None: it was replaced meanwhile. Raises `OSError`, `csv.Error`."""
    with open_inside(path, path.parent) as raw:
        if not raw.read(max(map(len, HEADERS))).startswith(HEADERS):
            return False
        was = os.fstat(raw.fileno())
        raw.seek(0)
        with io.TextIOWrapper(raw, encoding="utf-8", errors="surrogateescape", newline="") as text:
            rows = csv.reader(text)
            header = next(rows)
            if not any(_changed(header, row, name_of) for row in rows):
                return False
            text.seek(0)
            with (
                suppress(_Replaced),
                whole_file(path, mode=stat.S_IMODE(was.st_mode), is_in_place=True, writer=_WRITER) as stream,
            ):
                writer = csv_writer(stream)
                writer.writerows(_changed(header, row, name_of) or row for row in csv.reader(text))
                stream.flush()
                os.utime(stream.fileno(), ns=(was.st_atime_ns, was.st_mtime_ns))
                now = path.stat()
                if (now.st_ino, now.st_mtime_ns, now.st_size) != (was.st_ino, was.st_mtime_ns, was.st_size):
                    raise _Replaced
                return True
    return None


class _Replaced(Exception):
    """The service wrote the report while it was copied."""


def _changed(header: list[str], row: list[str], name_of: NameOf) -> list[str] | None:
    """Return the row without the person; None: it stays."""
    name = name_of(row[0]) if row else None
    if name is None:
        return None
    cells = [
        ERASED_TEXT if column in {"text", "reply"} and cell else cell for column, cell in zip(header, row, strict=False)
    ]
    cells[0] = name
    return cells if cells != row else None
