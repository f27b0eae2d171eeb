"""Where an export goes: standard output, a file that is written whole or not at all, or an existing device."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

from scheduler.actions.refusals import Refusal, Refused

_STANDARD: Final = (1, 2, 0)
"""Descriptors of standard output, error and input."""


@contextmanager
def destination(output: Path | None) -> Iterator[TextIO]:
    """Standard output for None. Anything but an ordinary file is written to in place: a device must not become a file.

    Raises `Refused`.
    """
    if output is None:
        with _standard_output() as stream:
            yield stream
        return
    with said_of(output), _opened(output) as stream:
        yield stream


@contextmanager
def said_of(output: Path) -> Iterator[None]:
    """Add the file's name to an `OSError` of writing it: that of a full disk has none."""
    try:
        yield
    except OSError as error:
        advice = "check the name, the permissions and the free space"
        raise Refused(Refusal.INVALID, f"{output} cannot be written ({error.strerror}); {advice}") from error


@contextmanager
def _standard_output() -> Iterator[TextIO]:
    """Standard output in UTF-8, whatever the locale: an export is a file, redirected or not."""
    if sys.stdout is None:
        raise Refused(Refusal.INVALID, "standard output is closed; open it, or write to a file with --output")
    sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]  # a TextIOWrapper
    yield sys.stdout


def _opened(output: Path) -> AbstractContextManager[TextIO]:
    from scheduler.report.whole import whole_file

    try:
        status = output.stat()
    except FileNotFoundError:
        return whole_file(output)
    if stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode):
        return _writer(os.open(output, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC))
    for descriptor in _STANDARD:
        # /dev/stdout is a link: if it were replaced, every other program would lose it.
        with suppress(OSError):  # it may be closed
            if os.path.samestat(os.fstat(descriptor), status):
                return _writer(os.dup(descriptor))
    if stat.S_ISREG(status.st_mode):
        return whole_file(output)
    kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a disk" if stat.S_ISBLK(status.st_mode) else "a socket"
    sentence = f"{output} is {kind}; name a file to write to, or leave --output out for standard output"
    raise Refused(Refusal.INVALID, sentence)


def _writer(descriptor: int) -> TextIO:
    return open(descriptor, "w", encoding="utf-8", newline="")
