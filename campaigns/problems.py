"""Problems of a campaign file: what is wrong, where, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Final

from campaigns.printable import one_line

MOST_PROBLEMS: Final = 100
"""Told of one file: nobody reads more at once, and a file can have 100,000."""

MOST_CHARACTERS: Final = 1_000
"""The limit of a path, a problem or a hint, which may quote names from a file."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One problem at one place. `line` and `column` count from 1; `path` is dotted (`schedule.window.from`).

    Its texts can be shown as they are: one line each, short, without control characters.
    """

    file: str
    line: int
    column: int
    path: str
    problem: str
    hint: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "file", one_line(self.file))
        for name in ("path", "problem", "hint"):
            text = getattr(self, name)
            short = text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"
            object.__setattr__(self, name, one_line(short))

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        problem = self.problem.removeprefix(f"{self.path} ")  # a sentence that is also told without its path
        what = f"{self.path}: {problem}" if self.path else problem
        return f"{where}: {what} ({self.hint})" if self.hint else f"{where}: {what}"


class CampaignFileError(Exception):
    """Campaign files that cannot be used: the first problems found in each, in the order of the file.

    `more` is the number of further problems.
    """

    def __init__(self, problems: Iterable[Problem], more: int = 0) -> None:
        found = sorted(problems)
        by_file = groupby(found, key=lambda problem: problem.file)
        self.problems = tuple(problem for _, of_one in by_file for problem in islice(of_one, MOST_PROBLEMS))
        self.more = more + len(found) - len(self.problems)
        super().__init__("\n".join(map(str, self.problems)) + (f"\n{self.more_words}" if self.more else ""))

    @property
    def more_words(self) -> str:
        """`and 42,900 more`; empty if there are no more."""
        return f"and {self.more:,} more" if self.more else ""
