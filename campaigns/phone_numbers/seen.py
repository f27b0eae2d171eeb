"""Which numbers an audience has shown so far, in a few bytes each."""

from array import array
from typing import Final

_FIRST_PLACES: Final = 1 << 12
_SPREAD: Final = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio: neighbours come to lie far apart (Knuth 6.4)
_SHIFT: Final = 24


class FirstRows:
    """From a number, as a positive integer of 64 bits, to the row in which it stood first.

    22 to 28 bytes a number, where a dict of integers takes 112 (measured): numbers and rows in the order in which they
    came, and a table, at most two thirds full, of where a number stands there. As the table is made anew out of these
    when it grows, the old one is gone by then. It costs 1 us more for each row, of the 18 that planning one takes.
    """

    def __init__(self) -> None:
        self._numbers, self._rows = array("Q", [0]), array("Q", [0])  # a place of 0 is an empty one
        self._places = _empty(_FIRST_PLACES)
        self._sought = self._found = 0  # the number that `get` was asked for last, and its place

    def __len__(self) -> int:
        return len(self._numbers) - 1

    def get(self, number: int) -> int | None:
        """The row of a number; None: it was not seen."""
        self._sought, self._found = number, self._place(number)
        at = self._places[self._found]
        return self._rows[at] if at else None

    def add(self, number: int, row: int) -> None:
        """Remember the row of a number that was not seen."""
        if 3 * len(self._numbers) >= 2 * len(self._places):
            self._grow()
        place = self._found if number == self._sought else self._place(number)
        self._places[place] = len(self._numbers)
        self._numbers.append(number)
        self._rows.append(row)

    def _place(self, number: int) -> int:
        """Where the number stands, or would."""
        numbers, places = self._numbers, self._places
        last = len(places) - 1
        place = number * _SPREAD >> _SHIFT & last
        while (at := places[place]) and numbers[at] != number:
            place = place + 1 & last
        return place

    def _grow(self) -> None:
        size = 2 * len(self._places)
        self._places = _empty(0)  # before the next one is made
        self._places = places = _empty(size)
        self._sought, last = 0, size - 1
        for at, number in enumerate(self._numbers):  # as `_place`, but no number is there yet
            place = number * _SPREAD >> _SHIFT & last
            while places[place]:
                place = place + 1 & last
            places[place] = at


def _empty(places: int) -> "array[int]":
    return array("I", [0]) * places
