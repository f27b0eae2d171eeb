"""Fields that nothing fills in: names without a column, and columns in the brackets of other programs."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise
from typing import Final

from campaigns.message.templates import field_name
from campaigns.values.scalars import nearest

_ALIKE: Final = str.maketrans(
    "‹›《》〈〉⟨⟩【】〔〕｛｝［］＜＞（）％＊｜＠＃＄～＾＝＿", "«»«»<><>[][]{}[]<>()%*|@#$~^=_"
)
"""Marks of other keyboards, one for one."""

_MARKS: Final = re.compile(r"[{}\[\]<>()%*|«»@#$~^=\\]+")
_ONE_SIDED: Final = re.compile(r"(?<![\w@#$%])[@#$%_:](\w{1,80})")
_FALLBACK: Final = re.compile(r"[:,;?!\"]|\b(?:default|fallback|or)\b", re.IGNORECASE)
_CLOSING: Final[Mapping[str, str]] = dict(zip("{[<(«=%|*@#$~^", "}]>)»%%|*@#$~^", strict=True))

# How similar to a column name a word between these marks has to be: {...} and *|...|* hardly ever hold plain text,
# [...] and %...% may, and in (...) or *...* only a name of several words is not plain text.
_LOUD: Final = re.compile(r".*(?:\{|\[\[|<<|\*\||%%|\(\(|<%=?|\[%|\[\$|\$\(|%\()")
_LOUD_LIKENESS: Final = 0.6
_LIKENESS: Final[Mapping[str, float]] = {"[": 0.8, "<": 0.8, "%": 0.8}
_SAME: Final = 1.0
_SAME_AND_SEVERAL_WORDS: Final = 2.0
_FAINT: Final = frozenset("(*#~^=")
_FEW_LETTERS: Final = 5  # [SALE] is not a typo for a column sales

_LONGEST: Final = 80  # characters between two marks
_COMPARED: Final = 100  # at most this many words with this many columns: each pair takes some microseconds


_LONG_NUMBER: Final = re.compile(r"[0-9]{5}")


def unknown_fields(fields: Iterable[str], columns: Sequence[str], number: str = "") -> Iterator[tuple[str, str]]:
    """The fields that none of the columns is, in alphabetical order, each with the column that may be meant.

    `number` is the column of numbers, which hardly anybody means to show: `name` is like it and means another.
    """
    for name in sorted(set(fields).difference(columns)):
        near = nearest(name, [column for column in columns if column != number])
        # A heading with a number in it may be a row that lost its line break: it stays out of a sentence.
        there = [column for column in columns if not _LONG_NUMBER.search(column)]
        yield name, f"did you mean {near}?" if near else f"there is {', '.join(there[:12])}"


def foreign_placeholders(literal: str, columns: Collection[str]) -> tuple[tuple[str, str], ...]:
    """What stands in a text as a field of another program, such as `{first_name}`, and the column that it means.

    `literal` is what is sent as it is written, `columns` are names as templates use them.
    """
    known = {_letters(column): column for column in columns}
    compared = list(known)[:_COMPARED]
    found: dict[str, str] = {}
    for count, (written, text, likeness) in enumerate(_marked(literal)):
        column = _meant(text, known, compared if count < _COMPARED else (), likeness)
        if column:
            found[written] = column
    told = set(found.values())
    for word in _ONE_SIDED.finditer(literal):
        is_closed = word[0][0] == ":" == literal[word.end() : word.end() + 1]
        column = _meant(word[1], known, (), _SAME if is_closed else _SAME_AND_SEVERAL_WORDS)
        if column and column not in told:
            found[word[0]] = column
    return tuple(found.items())


def _marked(literal: str) -> Iterator[tuple[str, str, float]]:
    """Each text between two marks that belong together: with the marks, alone, and how like a column it has to be."""
    written, literal = literal, literal.translate(_ALIKE)
    for before, after in pairwise(_MARKS.finditer(literal)):
        text = literal[before.end() : after.start()]
        if not 0 < len(text) <= _LONGEST or "\n" in text:
            continue
        opening = next((mark for mark in reversed(before[0]) if _CLOSING.get(mark, "\n") in after[0]), before[0][-1])
        closing = _CLOSING.get(opening, "")
        ends = min(after.end(), after.start() + len(before[0]))
        if not closing or closing not in after[0]:
            if not closing or after[0][0] not in "|=" or opening in _FAINT:
                continue
            ends = literal.find(closing, after.end(), after.end() + _LONGEST) + 1  # there is a fallback in between
        if ends:
            likeness = _SAME_AND_SEVERAL_WORDS if opening in _FAINT else _LIKENESS.get(opening, _SAME)
            yield written[before.start() : ends], text, _LOUD_LIKENESS if _LOUD.match(before[0]) else likeness


def _meant(text: str, known: Mapping[str, str], compared: Sequence[str], likeness: float) -> str:
    """Return the column that a text names, before a fallback and after an object's name; empty if it names none."""
    name = _FALLBACK.split(text.lstrip("! "), maxsplit=1)[0]
    for word in map(_letters, (name, name.rpartition(".")[2])):
        if (column := known.get(word)) is not None:
            return column if likeness <= _SAME or "_" in column else ""
        if likeness < _SAME and (len(word) > _FEW_LETTERS or likeness == _LOUD_LIKENESS):
            near = get_close_matches(word, compared, n=1, cutoff=likeness)
            if near:
                return known[near[0]]
    return ""


def _letters(name: str) -> str:
    """Return a name in a form that is the same for FirstName, First Name and first_name."""
    return field_name(name).replace("_", "")
