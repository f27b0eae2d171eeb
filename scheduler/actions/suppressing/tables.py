"""A table of opt-outs, as `scheduler.report.opt_outs` writes it, read row by row; bad rows are reported and skipped."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from campaigns.audience import AudienceProblem, AudienceRow, open_source
from campaigns.definition import Kind
from campaigns.phone_numbers.numbers import InvalidNumber, Normaliser
from worker.store.people.suppressions import Entry

KEPT: Final = 1_000
"""How many bad rows are kept for the report; the others are counted."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used, and why."""

    line: int
    problem: str


class OptOutFile:
    """The numbers of a table. Its counts are final once its chunks have been read; `bad` are the first bad rows.

    `kind` and `reason` override the table's columns of these names. Raises `AudienceProblem` for an unusable table.
    """

    def __init__(
        self, path: Path, number_column: str, region: str | None, *, kind: str, reason: str, now: datetime
    ) -> None:
        self.path = path
        self._reader = open_source(path, number_column=number_column, fields={"kind", "reason"})
        self._normaliser = Normaliser(region)
        self._source = f"import {path.name}"[:60]
        self.kind, self._reason, self._now = kind, reason, now
        self.rows = self.bad_rows = self.entries = 0
        self.bad: list[BadRow] = []

    def chunks(self, size: int) -> Iterator[list[Entry]]:
        """Yield the usable rows in chunks of this size. Raises `AudienceProblem` if none of its rows is usable."""
        chunk: list[Entry] = []
        for row in self._reader:
            self.rows += 1
            entries = self._entries(row)
            if isinstance(entries, str):
                self.bad_rows += 1
                if self.bad_rows <= KEPT:
                    self.bad.append(BadRow(row.line, entries))
            else:
                chunk.extend(entries)
                self.entries += len(entries)
            if len(chunk) >= size:
                yield chunk
                chunk = []
        if chunk:
            yield chunk
        if self.rows and self.rows == self.bad_rows:
            first = f"row {self.bad[0].line}: {self.bad[0].problem}"
            hint = "correct its numbers, or name the column that contains them with --number"
            raise AudienceProblem(f"none of its rows can be used, so nobody was put on the list; {first}", hint)

    def _entries(self, row: AudienceRow) -> list[Entry] | str:
        """Return the entry, one for each number that the row can be read as, or what is wrong with the row."""
        if row.problem:
            return row.problem
        kind = self.kind or row.fields.get("kind", "").lower()
        if kind and kind not in set(Kind):
            return f"its kind is not one of {', '.join(Kind)}"
        try:
            numbers: tuple[str, ...] = (self._normaliser.normalise(row.number),)
        except InvalidNumber as error:
            if not error.readings:
                return error.reason
            numbers = error.readings
        reason = self._reason or row.fields.get("reason", "")
        return [Entry(number, kind, reason, self._source, self._now) for number in numbers]
