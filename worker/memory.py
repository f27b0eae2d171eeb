"""Gives memory back to the system."""

from contextlib import suppress
from typing import Final

_M_ARENA_MAX: Final = -8  # from glibc's malloc.h
_ARENAS: Final = 2
_M_MMAP_THRESHOLD: Final = -3
_MAPPED_BYTES: Final = 256 * 1024
"""Blocks from this size on go back to the system once they are free. By default glibc raises it up to 32 MiB."""


def share_heaps() -> None:
    """Let all threads share two heaps, and keep large blocks out of them, if the C library is glibc.

    Call it before any threads start: each of the 27 threads of a run had its own heap, and kept in it what its largest
    work once took: 40 MB (measured).
    """
    _call("mallopt", _M_ARENA_MAX, _ARENAS)
    _call("mallopt", _M_MMAP_THRESHOLD, _MAPPED_BYTES)


def give_back() -> None:
    """Return free memory to the system: after a large plan glibc keeps 7 MB and more for later (measured)."""
    _call("malloc_trim", 0)


def _call(function: str, *arguments: int) -> None:
    # Other C libraries do not have these functions, and do not need them. Before Python 3.13, ctypes starts with memory
    # that is both writable and executable, which `MemoryDenyWriteExecute` may deny: the heaps then stay as they are.
    with suppress(ImportError, OSError, AttributeError, MemoryError):
        import ctypes

        ctypes.CDLL(None)[function](*arguments)
