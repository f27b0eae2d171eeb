"""Pages of long lists. The place after a page is the id of its last row, so no page costs more than another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MOST_ROWS: Final = 1_000
"""The most rows of a page."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, and the place to go on after; None: there are no more.

    A page may have fewer rows than were asked for, even none, and still not be the last.
    """

    rows: Sequence[T]
    next: int | None
