"""The files that appear beside a campaign file: NAME.status.txt and NAME.report.csv."""

import errno
import os
import re
import stat
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Final

from campaigns.opening import open_inside
from campaigns.printable import printable
from scheduler.inbox.wording import INSTALLATION, LAST_UPDATED, UNKNOWN
from scheduler.report.rows import HEADERS, write_csv
from scheduler.report.whole import PRIVATE, whole_file
from worker.store.engine import Store

STATUS: Final = ".status.txt"
REPORT: Final = ".report.csv"

_INSTALLATION: Final = re.compile(
    rb"^%s ([0-9a-f]{16}|%s)(?:, (\d{4}-\d\d-\d\dT[\d:.]{8,15}\+00:00))?$" % (INSTALLATION.encode(), UNKNOWN.encode()),
    re.MULTILINE,
)
"""The first match counts: for a campaign of another installation, the status names that installation and its time of
writing before our own."""

_WHOLE: Final = re.compile(rb"^%s " % LAST_UPDATED.encode(), re.MULTILINE)

MOST_STATUS_BYTES: Final = 1_000_000

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
    raise FileExistsError(errno.EEXIST, f"{path.name} is no report; rename it")


def installation_of(campaign_file: Path) -> tuple[str, datetime] | None:
    """Return which installation wrote the status beside the file, and when; None if there is none, or it names none.

    `UNKNOWN` if the status cannot be read or is not whole: any installation may have written it. Raises `OSError` if it
    cannot be known whether there is one.
    """
    path = status_path(campaign_file)
    try:
        seen = os.lstat(path)
    except FileNotFoundError:
        return None
    if not (stat.S_ISREG(seen.st_mode) or stat.S_ISLNK(seen.st_mode)):
        return None  # a folder or a pipe: no installation makes one
    written_at = datetime.fromtimestamp(seen.st_mtime, UTC)
    try:
        with open_inside(path, path.parent.resolve()) as stream:
            text = stream.read(MOST_STATUS_BYTES)
    except OSError:
        return UNKNOWN, written_at
    found = _INSTALLATION.search(text)
    if not found:
        return None if _WHOLE.search(text) else (UNKNOWN, written_at)  # a rehearsal's status names none
    with suppress(ValueError):  # edited by hand
        written_at = datetime.fromisoformat(found[2].decode()) if found[2] else written_at
    return found[1].decode(), written_at


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
        write_csv(store, run_id, stream, with_resends=True)


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
