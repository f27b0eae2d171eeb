"""A YAML file as plain texts, lists and mappings that remember their place in the file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from campaigns.problems import Problem

Data: TypeAlias = "str | list[Data] | dict[str, Data] | None"
KeyPath: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column in a file, both counted from 1."""

    file: str
    line: int
    column: int

    def problem(self, path: KeyPath, problem: str, hint: str = "") -> Problem:
        return Problem(self.file, self.line, self.column, dotted(path), problem, hint)


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a file and its places. Every scalar is its text, an absent value is None.

    `positions` holds the place of each value, `key_positions` that of the key before it. `raw` keeps the source lines
    of every scalar that spans several lines. `problems` are the first problems that did not stop the reading, and
    `more_problems` counts the rest.
    """

    file: str
    data: dict[str, Data]
    positions: Mapping[KeyPath, Place] = field(default_factory=dict)
    key_positions: Mapping[KeyPath, Place] = field(default_factory=dict)
    raw: Mapping[KeyPath, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    more_problems: int = 0

    def value_place(self, path: KeyPath) -> Place:
        """Return the place of the value at `path`; if there is none, the key of the nearest mapping around it."""
        place = self.positions.get(path)
        # The place of an empty value is somewhere after the colon, often on the next line: the key is clearer.
        return place if place and self.value(path) is not None else self.key_place(path)

    def key_place(self, path: KeyPath) -> Place:
        """Return the place of the key at `path` (for a list item: the item), or of the nearest one around it."""
        while path:
            place = self.key_positions.get(path) or self.positions.get(path)
            if place:
                return place
            path = path[:-1]
        return Place(self.file, 1, 1)

    def value(self, path: KeyPath) -> Data:
        """Return the value at `path`, or None."""
        node: Data = self.data
        for step in path:
            if isinstance(node, dict) and isinstance(step, str):
                node = node.get(step)
            elif isinstance(node, list) and isinstance(step, int) and step < len(node):
                node = node[step]
            else:
                return None
        return node


def merged(defaults: Document, document: Document) -> Document:
    """Merge `document` over `defaults`: mappings are merged key by key, everything else is replaced as a whole."""
    data, kept = _merged_data(defaults.data, document.data, ())

    def from_defaults(path: KeyPath) -> bool:
        return any(path[:length] in kept for length in range(1, len(path) + 1))

    def chosen(low: Mapping[KeyPath, Place], high: Mapping[KeyPath, Place]) -> dict[KeyPath, Place]:
        return {path: place for path, place in low.items() if from_defaults(path)} | {
            path: place for path, place in high.items() if not from_defaults(path)
        }

    return Document(
        document.file,
        data,
        chosen(defaults.positions, document.positions),
        chosen(defaults.key_positions, document.key_positions),
        document.raw,
        defaults.problems + document.problems,
        defaults.more_problems + document.more_problems,
    )


def dotted(path: KeyPath) -> str:
    """Return `schedule.window.from`, `audience[0].file`. A long key is cut to 40 characters."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            word = step if len(step) <= 40 else f"{step[:39]}…"
            text += f".{word}" if text else word
    return text


def _merged_data(
    low: dict[str, Data], high: dict[str, Data], path: KeyPath
) -> tuple[dict[str, Data], frozenset[KeyPath]]:
    """Return the merged mapping, and the paths whose values come entirely from `low`."""
    data = dict(high)
    kept: frozenset[KeyPath] = frozenset()
    for key, value in low.items():
        here, own = (*path, key), high.get(key)
        if own is None:
            data[key] = value
            kept |= {here}
        elif isinstance(own, dict) and isinstance(value, dict):
            data[key], below = _merged_data(value, own, here)
            kept |= below
    return data, kept
