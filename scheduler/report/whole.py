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
"""Numbers and texts are for the owner only, as in the database; with umask 022 every user of the machine could read
them."""

LONGEST: Final = 250
"""The most bytes of a name: its draft's name is 5 bytes longer, and a folder accepts 255."""


@contextmanager
def whole_file(path: Path, *, mode: int = PRIVATE, is_in_place: bool = False, writer: str = "") -> Iterator[TextIO]:
    """A UTF-8 file that replaces `path` when the block succeeds, and disappears when it does not.

    `is_in_place`: the folder must be where its path says (absolute, without links), because others may have put a link
    in its place. `writer` names the draft apart from that of another process. Raises `OSError`.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if is_in_place and real_path(folder) != path.parent:
            raise OutsideError(errno.ELOOP, "a link is in place of the folder")
        # From here on, the folder is that of the descriptor, whatever replaces it. The draft always has the same name,
        # so that one left by a killed process is removed.
        name = writer + path.name
        if len(os.fsencode(name)) > LONGEST:
            name = writer + sha256(os.fsencode(path.name)).hexdigest()
        draft = f".{name}.tmp"
        with suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=folder)
        try:
            # O_EXCL follows no link: nobody can make us overwrite another file.
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
