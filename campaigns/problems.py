"""What is wrong with a campaign file, where, and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One problem at one place. `line` and `column` count from 1; `path` is dotted (`schedule.window.from`)."""

    file: str
    line: int
    column: int
    path: str
    problem: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        what = f"{self.path}: {self.problem}" if self.path else self.problem
        return f"{where}: {what} ({self.hint})" if self.hint else f"{where}: {what}"


class CampaignFileError(Exception):
    """A campaign file that cannot be used: every problem found in it, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))
