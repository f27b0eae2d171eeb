"""Keys that the format names and this version does not act on: refused by name, never ignored."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from campaigns.definition.document import Document, KeyPath
from campaigns.problems import Problem


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A key, the values of it that are not supported (none named: all), and what to do instead."""

    path: KeyPath
    hint: str
    values: frozenset[str] = frozenset()


UNSUPPORTED: Final = (Unsupported(("approval",), "remove it, or write false", frozenset({"true", "yes", "on"})),)


def unsupported_problems(document: Document) -> Iterator[tuple[KeyPath, Problem]]:
    """Every key of the document that is not supported yet: its path, and the problem."""
    for entry in UNSUPPORTED:
        value = document.value(entry.path)
        if value is None:
            continue
        if not entry.values:
            yield entry.path, document.key_place(entry.path).problem(entry.path, "is not supported yet", entry.hint)
        elif isinstance(value, str) and value.strip().casefold() in entry.values:
            problem = f"{value.strip()} is not supported yet"
            yield entry.path, document.value_place(entry.path).problem(entry.path, problem, entry.hint)
