"""The files that appear beside a campaign file: NAME.status.txt and NAME.report.csv."""

import errno
import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from itertools import islice, product
from pathlib import Path
from typing import Final

from campaigns.opening import open_inside
from campaigns.printable import printable
from scheduler.inbox.wording import INSTALLATION, REHEARSAL, SENT_BEFORE, UNKNOWN
from scheduler.report.rows import HEADERS, write_csv
from scheduler.report.whole import PRIVATE, whole_file
from worker.store.engine import Store

STATUS: Final = ".status.txt"
REPORT: Final = ".report.csv"

_INSTALLATION: Final = re.compile(
    rb"^%s ([0-9a-f]{16}|%s|%s)(?:, (\d{4}-\d\d-\d\dT[\d:.]{8,15}\+00:00))?\r?$"
    % tuple(word.encode() for word in (INSTALLATION, UNKNOWN, REHEARSAL)),
    re.MULTILINE,
)
"""The first match counts: for a campaign of another installation, the status names that installation and its time of
writing before our own."""

_HEADLINE: Final = re.compile(rb"^(?:\xef\xbb\xbf)?([a-z0-9][a-z0-9-]{0,63}): ", re.MULTILINE)

MOST_CAMPAIGNS: Final = 100
"""Names that are taken from one status; ours have one, or two after a file became another campaign."""

END_BYTES: Final = 65_536
"""What is read from either end of a status. With 100 mistakes of a file in it, one has some 20 KB."""

MOST_READ: Final = 32_768
"""Statuses whose content is remembered, some 300 bytes each."""

MOST_NAME_BYTES: Final = 255
"""The length limit of a file name on every Linux file system."""

_ENDINGS: Final = [
    "." + "".join(letters)
    for word in ("yaml", "yml")
    for letters in product(*((letter, letter.upper()) for letter in word))
]


def status_path(campaign_file: Path) -> Path:
    """Return where the status of a campaign file is written."""
    return campaign_file.with_name(_fitting(_name(campaign_file), STATUS))


def report_path(campaign_file: Path) -> Path:
    """Return where the report of a campaign file is written: it only replaces an earlier report. Raises `OSError`."""
    for name in (_name(campaign_file), campaign_file.name):
        path = campaign_file.with_name(_fitting(name, REPORT))
        if not os.path.lexists(path) or _is_report(path):
            return path
    raise FileExistsError(errno.EEXIST, f"{path.name} is not a report; rename it")


@dataclass(frozen=True, slots=True)
class Left:
    """What a status says of its writer: an installation by its name, or `UNKNOWN`, and which campaigns it names."""

    path: Path
    installation: str
    written_at: datetime
    campaigns: tuple[str, ...]


def left_at(status: Path) -> Left | None:
    """What stands at the path of a status; None: nothing, a rehearsal's status, or what no installation makes.

    `UNKNOWN` where something is there that cannot be read, or is not whole: any installation may have written it.
    Raises `OSError` where nobody can tell whether there is one.
    """
    try:
        seen = os.lstat(status)
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(seen.st_mode):
        return _read.__wrapped__(status, seen.st_mtime_ns)  # what it leads to may change
    if not stat.S_ISREG(seen.st_mode):
        return None  # a folder, or a pipe: no installation makes one
    return _read(status, seen.st_mtime_ns, seen.st_size, seen.st_ctime_ns, seen.st_ino)


@lru_cache(maxsize=MOST_READ)
def _read(status: Path, written_ns: int, *_form: int) -> Left | None:
    """As `left_at`; read once in each form."""
    written_at = datetime.fromtimestamp(written_ns / 1e9, UTC)
    try:
        with open_inside(status, status.parent.resolve()) as stream:
            text = stream.read(END_BYTES)
            rest = os.fstat(stream.fileno()).st_size - END_BYTES
            if rest > 0:
                stream.seek(max(END_BYTES, rest))
                text += stream.read(END_BYTES)
    except OSError:
        return Left(status, UNKNOWN, written_at, ())
    found = _INSTALLATION.search(text)
    installation = found[1].decode() if found else UNKNOWN
    if installation == REHEARSAL:
        return None
    with suppress(ValueError):  # a person's hand
        written_at = datetime.fromisoformat(found[2].decode()) if found and found[2] else written_at
    return Left(status, installation, written_at, campaigns_in(text))


def campaigns_in(text: bytes) -> tuple[str, ...]:
    """The campaigns that a status names at the beginning of a line, with what becomes of them."""
    names = (found[1].decode() for found in islice(_HEADLINE.finditer(text), MOST_CAMPAIGNS))
    return tuple(sorted(set(names)))


def kept(campaign_file: Path, text: str, installation: str) -> str:
    """The text for a status, with what must outlive its writing of the one that stands there.

    Another installation may have sent what that one names, and nothing else knows of it: it is lost where words on a
    file that cannot be used, or a rehearsal's, take its place. `installation` is our own. Raises `OSError`.
    """
    left = left_at(status_path(campaign_file))
    if left is None or left.installation == installation:
        return text
    named = set(campaigns_in(text.encode()))
    lines = [f"{name}: {SENT_BEFORE}" for name in left.campaigns if name not in named]
    lines.append(f"{INSTALLATION} {left.installation}, {left.written_at.isoformat()}")
    return "\n".join([text, *lines, ""])


def write_status(campaign_file: Path, text: str) -> None:
    """Replace the status. Raises `OSError`."""
    with whole_file(status_path(campaign_file), mode=0o666, is_in_place=True) as stream:
        stream.write(printable(text))


def write_report(campaign_file: Path, store: Store, run_id: int) -> None:
    """Replace the report. Raises `OSError`."""
    path = report_path(campaign_file)
    # A folder that passes its group on to its files is shared with that group.
    shared = path.parent.stat().st_mode & stat.S_ISGID
    with whole_file(path, mode=0o640 if shared else PRIVATE, is_in_place=True) as stream:
        write_csv(store, run_id, stream, with_resends=True, with_steps=True)


def _name(campaign_file: Path) -> str:
    """Return the file's name without its ending, but with it if another file differs from it only in the ending.

    Of these files, NAME.yaml gets the name without.
    """
    if campaign_file.suffix == ".yaml":
        return campaign_file.stem
    rivals = (campaign_file.with_suffix(ending) for ending in _ENDINGS if ending != campaign_file.suffix)
    return campaign_file.name if any(rival.exists() for rival in rivals) else campaign_file.stem


def _fitting(name: str, ending: str) -> str:
    """Join the two; shorten a name that is too long, and append a hash to keep it distinct."""
    written = name.encode()
    room = MOST_NAME_BYTES - len(ending)
    if len(written) <= room:
        return name + ending
    return f"{written[: room - 9].decode(errors='ignore')}~{sha256(written).hexdigest()[:8]}{ending}"


def _is_report(path: Path) -> bool:
    try:
        with open_inside(path, path.parent) as stream:
            return stream.read(max(map(len, HEADERS))).startswith(HEADERS)
    except OSError:
        return False
