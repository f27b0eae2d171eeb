"""Files that come over HTTP: campaign files, and the tables that they name, in one hidden folder of the inbox.

The inbox does not look into it: whoever uploads a file is answered at once, and nobody else takes it up as well.
"""

import base64
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Final, Self

from worker.settings.settings import Settings

FOLDER: Final = ".api"
SOURCE: Final = "api:"
"""How the names of campaign files begin that came so, wherever a campaign's file is named."""

_UNFINISHED: Final = ".upload-"
_GIVEN_UP_SECONDS: Final = 3_600
"""After this long nobody writes an upload any more: its process was killed."""


class UploadsAway(Exception):
    """Nothing can be kept in the folder of uploads; the message says why, and what to do."""


def uploads_in(inbox: Path) -> Path:
    """Return the folder of uploads in an inbox."""
    return inbox.resolve() / FOLDER


def open_uploads(settings: Settings) -> Path:
    """Return the folder of uploads, and make it if needed. Raises `UploadsAway`."""
    folder = uploads_in(settings.inbox)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Anybody who may write into the inbox could have put a link there, to where this process may write.
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise NotADirectoryError(0, "it is no folder", str(folder))
    except OSError as error:
        raise _away(folder, error) from None
    return folder


def _away(folder: Path, error: OSError) -> UploadsAway:
    advice = "give this process write access to the service's inbox (CAMPAIGNS_INBOX), and free space there"
    return UploadsAway(f"uploads cannot be stored in {folder} ({error.strerror}): {advice}")


class Upload:
    """A file that is arriving, under a name that nobody else knows. It is gone at the end of the block, unless kept."""

    def __init__(self, folder: Path, *, suffix: str) -> None:
        """Begin a file in this folder. Raises `UploadsAway`."""
        _remove_old(folder)
        self.path = folder / f"{_UNFINISHED}{token_hex(8)}{suffix}"
        self.size = 0
        self._sha256 = sha256()
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.fdopen(os.open(self.path, flags, 0o600), "wb", buffering=0)
        except OSError as error:
            raise _away(folder, error) from None

    def write(self, part: bytes) -> None:
        """Add a part. Raises `UploadsAway`."""
        try:
            self._file.write(part)
        except OSError as error:
            raise _away(self.path.parent, error) from None
        self._sha256.update(part)
        self.size += len(part)

    @property
    def digest(self) -> bytes:
        """Return the SHA-256 of what has arrived."""
        return self._sha256.digest()

    def finish(self) -> None:
        """Make sure that all of it is on the disk. Raises `UploadsAway`."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _away(self.path.parent, error) from None

    def keep_as(self, path: Path) -> None:
        """Give it its name; a file, or a link, that had it before is replaced."""
        self.path.replace(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)


def has_digest(path: Path, digest: bytes) -> bool:
    """Return whether there is such a file, and its SHA-256 is this one."""
    found = sha256()
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return False
            while part := file.read(1 << 20):
                found.update(part)
    except OSError:
        return False
    return found.digest() == digest


def as_header(digest: bytes) -> str:
    """Return a SHA-256 as the header Content-Digest has it (RFC 9530)."""
    return f"sha-256=:{base64.b64encode(digest).decode()}:"


@contextmanager
def arriving(path: Path, digest: bytes) -> Iterator[None]:
    """Mark until the block has ended well that this file gets a content that is not in the audit yet.

    Raises `UploadsAway`.
    """
    mark = _mark(path, digest)
    try:
        os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise _away(path.parent, error) from None
    yield
    mark.unlink()


def is_arriving(path: Path, digest: bytes) -> bool:
    """Return whether a process was killed, or failed, while the file got this content."""
    return os.path.lexists(_mark(path, digest))


def _mark(path: Path, digest: bytes) -> Path:
    return path.with_name(f".{path.name}.{digest.hex()[:16]}")


@contextmanager
def sole(folder: Path, name: str, *, waits: bool = False) -> Iterator[bool]:
    """Whether nobody else is in such a block with this name, in any process that shares the folder.

    `waits`: until nobody is.
    """
    try:
        handle = os.open(folder / f".{name}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _away(folder, error) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(handle)


def _remove_old(folder: Path) -> None:
    before = time.time() - _GIVEN_UP_SECONDS
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(_UNFINISHED) and entry.stat(follow_symlinks=False).st_mtime < before:
                Path(entry.path).unlink()
