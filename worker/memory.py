"""Memory that a process gives back."""

from contextlib import suppress
from typing import Final

_M_ARENA_MAX: Final = -8  # of glibc's malloc.h
_ARENAS: Final = 2
_M_MMAP_THRESHOLD: Final = -3
_MAPPED_BYTES: Final = 256 * 1024
"""From this size on memory is the system's again once it is free. Unless it is told, glibc raises that up to 32 MiB."""


def share_heaps() -> None:
    """Let all threads share two heaps, and keep large blocks out of them, where the C library is glibc.

    Call it before there are threads: each of the 27 of a run had a heap of its own, and kept in it what its largest
    work once took: 40 MB (measured).
    """
    _call("mallopt", _M_ARENA_MAX, _ARENAS)
    _call("mallopt", _M_MMAP_THRESHOLD, _MAPPED_BYTES)


def give_back() -> None:
    """Let the system have what is free now: after a large plan glibc keeps 7 MB and more for later (measured)."""
    _call("malloc_trim", 0)


def _call(function: str, *arguments: int) -> None:
    # Another C library has no such function, and needs none; and before Python 3.13 ctypes begins with memory that can
    # be written and executed, which `MemoryDenyWriteExecute` may deny: the heaps stay as they are then.
    with suppress(ImportError, OSError, AttributeError, MemoryError):
        import ctypes

        ctypes.CDLL(None)[function](*arguments)
