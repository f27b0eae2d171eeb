"""Files that are written whole or not at all: nobody ever reads half of one."""

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Final, TextIO

from campaigns.opening import OutsideError, real_path

PRIVATE: Final = 0o600
"""Numbers and texts are for the owner alone, as in the database; umask 022 would let everybody on the machine read."""

LONGEST: Final = 250
"""Bytes of a name with which that of its draft, 5 bytes longer, has no more than the 255 that a folder takes."""


@contextmanager
def whole_file(path: Path, *, mode: int = PRIVATE, is_in_place: bool = False) -> Iterator[TextIO]:
    """A file in UTF-8 that takes the place of `path` when the block ends well, and vanishes when it does not.

    `is_in_place`: the folder must lie where its path says (absolute, without links), for others may have put a link in
    its place. Raises `OSError`.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if is_in_place and real_path(folder) != path.parent:
            raise OutsideError(errno.ELOOP, "a link stands in the place of the folder")
        # From here on the folder is that of the descriptor, whatever is put in its place. The draft always has the same
        # name, so that what a killed process left is removed.
        name = path.name if len(os.fsencode(path.name)) <= LONGEST else sha256(os.fsencode(path.name)).hexdigest()
        draft = f".{name}.tmp"
        with suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=folder)
        try:
            # O_EXCL follows no link: nobody can have another file written over.
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            raw = os.fdopen(os.open(draft, flags, mode, dir_fd=folder), "wb")
            with io.TextIOWrapper(raw, encoding="utf-8", newline="") as stream:
                yield stream
            os.replace(draft, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(draft, dir_fd=folder)
    finally:
        os.close(folder)
