"""Finds the place of a part of a message in the campaign file."""

import re
from collections.abc import Callable
from typing import Final

from campaigns.definition.document import Document, KeyPath, Place
from campaigns.message.refusals import TemplateProblem
from campaigns.message.templates import compile_message, field_name

Find = Callable[[str], tuple[int, int] | None]
"""Returns line and column, from 1, in a text as the file writes it; None if it is not there literally."""

_WORD: Final = re.compile(r"\w+")
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")


def place_in_text(document: Document, path: KeyPath, find: Find) -> Place:
    """Return the place of something in a message. `find` gets the message as the file writes it, with line breaks."""
    place, raw = document.value_place(path), document.raw.get(path)
    found = find(raw) if raw else None
    return Place(place.file, place.line + found[0] - 1, found[1]) if found else place


def line_that_fails(problem: str, compiled: Callable[[str], object] = compile_message) -> Find:
    """Return a finder that compiles the text again as it is in the file, because folding moves lines."""

    def find(raw: str) -> tuple[int, int] | None:
        try:
            compiled(raw)
        except TemplateProblem as error:
            if error.problem == problem:
                line = raw.splitlines()[error.line - 1]
                return error.line, len(line) - len(line.lstrip()) + 1
        return None

    return find


def place_of(words: str) -> Find:
    def find(raw: str) -> tuple[int, int] | None:
        before, found, _ = raw.partition(words)
        lines = before.split("\n")
        return (len(lines), len(lines[-1]) + 1) if found else None

    return find


def place_of_name(name: str) -> Find:
    """Return a finder of a field in a condition, outside of quotes."""

    def find(raw: str) -> tuple[int, int] | None:
        plain = _QUOTED.sub(lambda quoted: re.sub(r"\S", "'", quoted[0]), raw)
        word = next((word for word in _WORD.finditer(plain) if field_name(word[0]) == name), None)
        if word is None:
            return None
        before = plain[: word.start()].split("\n")
        return len(before), len(before[-1]) + 1

    return find


def place_of_field(name: str) -> Find:
    def find(raw: str) -> tuple[int, int] | None:
        begins = raw.find("{{")
        while begins >= 0 and (ends := raw.find("}}", begins)) >= 0:
            for word in _WORD.finditer(raw, begins, ends):
                if field_name(word[0]) == name:
                    before = raw[: word.start()].split("\n")
                    return len(before), len(before[-1]) + 1
            begins = raw.find("{{", ends)
        return None

    return find
