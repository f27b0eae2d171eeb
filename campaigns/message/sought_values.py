"""Values that a condition compares with and no row has: mostly another spelling, such as `Yes` for `yes`."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final

from campaigns.values.scalars import shown

MOST_NAMED: Final = 5
"""How many of the values that were seen are named."""

_MOST_KEPT: Final = 1_000
"""How many values of a column are told apart. A column with more holds no kinds of people."""

_PHONE_DIGITS: Final = 7
"""A value with as many may be somebody's number, which no warning shows."""


class SoughtValues:
    """What the rows of one source say in the fields that its condition compares with a text.

    `pairs` are (field, text). A field is looked at until all of its texts were seen.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._sought: dict[str, set[str]] = {}
        self._seen: dict[str, dict[str, int]] = {}
        for field, text in sorted(pairs):
            if not _may_be_a_number(text):
                self._sought.setdefault(field, set()).add(text)
                self._seen[field] = {}

    @property
    def are_sought(self) -> bool:
        """Return whether any text was not seen yet."""
        return bool(self._sought)

    def look(self, cells: Mapping[str, str]) -> None:
        """Look at one row."""
        for field in tuple(self._sought):
            if field not in cells:  # its table may have no such column, which is a mistake of its own
                continue
            value, sought, seen = cells[field], self._sought[field], self._seen[field]
            if value in sought:
                sought.remove(value)
                if not sought:
                    del self._sought[field]
            if value in seen or len(seen) < _MOST_KEPT:
                seen[value] = seen.get(value, 0) + 1

    def unseen(self, where: str) -> Iterator[str]:
        """Yield what a condition does for each text that no row had; nothing without rows. `where` names the source.

        It names values of several people, and those that differ in their spelling only: others may name somebody.
        """
        for field, texts in self._sought.items():
            seen = self._seen[field]
            for text in sorted(texts) if seen else ():
                known = [value for value, rows in seen.items() if value and not _may_be_a_number(value)]
                known.sort(key=lambda value: (_plain(value) != _plain(text), -seen[value], value))
                named = [shown(each) for each in known if seen[each] > 1 or _plain(each) == _plain(text)][:MOST_NAMED]
                there = f" (there is {', '.join(named)})" if named else ""
                yield f"compares {field} with {shown(text)}, which nobody in {where} has{there}"


def _may_be_a_number(value: str) -> bool:
    return sum(map(str.isdecimal, value)) >= _PHONE_DIGITS


def _plain(value: str) -> str:
    """Return what a value has in common with its other spellings: `1.0` and `1`, `YES` and `yes`."""
    with suppress(ValueError):
        return f"{float(value):g}"
    return value.strip().casefold()
