"""Opens files that other people may write: only ordinary files that really lie where they claim to."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final
from unicodedata import normalize

ANYWHERE: Final = Path("/")
"""The folder for a file named on the command line: the whole machine."""


class NotOrdinaryError(OSError):
    """A folder, a pipe, a socket or a device: reading it may block forever or never end."""


class OutsideError(OSError):
    """The file lies elsewhere: a link leads out of the folder."""


def named_in(folder: Path, name: str) -> Path:
    """Return the path of the file `name`. macOS, and tools that copy from it, write accents as separate characters."""
    path = folder / name
    if name.isascii() or os.path.lexists(path):
        return path
    others = (folder / normalize(form, name) for form in ("NFC", "NFD"))
    return next((other for other in others if os.path.lexists(other)), path)


def open_inside(path: Path, folder: Path) -> BinaryIO:
    """Like `descriptor_inside`, but return a stream."""
    return os.fdopen(descriptor_inside(path, folder), "rb")


def descriptor_inside(path: Path, folder: Path) -> int:
    """Open an ordinary file that lies in `folder` (absolute, without links in it) or below it for reading.

    The check is made on the open descriptor. A check of the path before proves nothing: in between, anybody who may
    write into the folder can put a link there. That check only keeps devices from being opened, because opening some
    of them has effects. Links within the folder are followed. Raises `OSError`.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _not_ordinary(path)
        # Without O_NONBLOCK, opening a pipe that nobody writes to blocks for as long as the process lives.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except ValueError:  # a NUL in the name
        raise FileNotFoundError(f"there is no such file: {path.name!r}") from None
    problem = _problem(descriptor, path, folder)
    if problem is not None:
        os.close(descriptor)
        raise problem
    return descriptor


def _problem(descriptor: int, path: Path, folder: Path) -> OSError | None:
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return _not_ordinary(path)
        if not real_path(descriptor).is_relative_to(folder):
            return OutsideError(errno.ELOOP, f"{path.name} is outside its folder")
    except OSError as error:
        return error
    return None


def _not_ordinary(path: Path) -> NotOrdinaryError:
    return NotOrdinaryError(errno.EINVAL, f"{path.name} is not a regular file")


def real_path(descriptor: int) -> Path:
    """Return where the open file really lies. Raises `OSError`."""
    return Path(f"/proc/self/fd/{descriptor}").readlink()
