"""Opening files that other people may write: ordinary ones, that really lie where they are said to lie."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final
from unicodedata import normalize

ANYWHERE: Final = Path("/")
"""The folder of a file that somebody named on the command line: all of the machine."""


class NotOrdinaryError(OSError):
    """A folder, a pipe, a socket or a device: reading one may wait for ever, or never end."""


class OutsideError(OSError):
    """The file is elsewhere: a link leads out of the folder."""


def named_in(folder: Path, name: str) -> Path:
    """Where a file called `name` lies: macOS and what copies from it write an accent as a character of its own."""
    path = folder / name
    if name.isascii() or os.path.lexists(path):
        return path
    others = (folder / normalize(form, name) for form in ("NFC", "NFD"))
    return next((other for other in others if os.path.lexists(other)), path)


def open_inside(path: Path, folder: Path) -> BinaryIO:
    """As `descriptor_inside`, as a stream."""
    return os.fdopen(descriptor_inside(path, folder), "rb")


def descriptor_inside(path: Path, folder: Path) -> int:
    """Open an ordinary file for reading that lies in `folder` (absolute, without links in it) or below.

    What was opened is asked where it lies. A look at the path before proves nothing: between the two anybody who
    may write into the folder can put a link there. It only keeps devices from being opened, some of which do something
    then. Links within the folder are followed. Raises `OSError`.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _not_ordinary(path)
        # Without O_NONBLOCK a pipe that nobody writes to is waited for as long as the process lives.
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
            return OutsideError(errno.ELOOP, f"{path.name} is outside of its folder")
    except OSError as error:
        return error
    return None


def _not_ordinary(path: Path) -> NotOrdinaryError:
    return NotOrdinaryError(errno.EINVAL, f"{path.name} is no ordinary file")


def real_path(descriptor: int) -> Path:
    """Where it really lies what was opened. Raises `OSError`."""
    return Path(f"/proc/self/fd/{descriptor}").readlink()
