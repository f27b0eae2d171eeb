"""Memory that a process gives back."""

from contextlib import suppress
from typing import Final

_M_ARENA_MAX: Final = -8  # of glibc's malloc.h
_ARENAS: Final = 2


def share_heaps() -> None:
    """Let all threads share two heaps, where the C library is glibc; call it before there are threads.

    Each of the 27 threads of a run had one of its own that kept what its largest work once took: 40 MB (measured).
    """
    _call("mallopt", _M_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Let the system have what is free now: after a large plan glibc keeps 7 MB and more for later (measured)."""
    _call("malloc_trim", 0)


def _call(function: str, *arguments: int) -> None:
    # Another C library has no such function, and needs none; and before Python 3.13 ctypes begins with memory that can
    # be written and executed, which `MemoryDenyWriteExecute` may deny: the heaps stay as they are then.
    with suppress(ImportError, OSError, AttributeError, MemoryError):
        import ctypes

        ctypes.CDLL(None)[function](*arguments)
