"""The tables that a draft names: their columns, and those that it asks for and none of them has."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from campaigns.audience import AudienceProblem, open_source
from campaigns.definition.document import Document, KeyPath
from campaigns.message.placeholders import unknown_fields
from campaigns.message.refusals import TemplateProblem
from campaigns.message.templates import compile_message, field_name
from campaigns.phone_numbers.numbers import InvalidNumber, Normaliser
from scheduler.actions.refusals import Refused
from scheduler.actions.suppressing.tables import BadRow
from scheduler.actions.uploading.tables import read_rows, table_name

MOST_TABLES: Final = 20
MOST_TEXTS: Final = 27
"""The message, and a variant for each letter."""
MOST_COLUMNS: Final = 50
ROWS_TRIED: Final = 50
"""How many rows are looked at to find the column of the numbers."""
NUMBER: Final = "number"


@dataclass(frozen=True, slots=True)
class Missing:
    """A column that no table has: `name` as it is written, and the `columns` that `table` has."""

    table: str
    name: str
    columns: tuple[str, ...]
    is_number: bool


@dataclass(frozen=True, slots=True)
class TableRows:
    """A table that a draft names: its columns, its rows, how many have no usable number, and the first of those.

    `rows` None: they were not read, because the column of the numbers is not there.
    """

    name: str
    number: str
    columns: tuple[str, ...]
    rows: int | None = None
    bad_rows: int = 0
    bad: tuple[BadRow, ...] = ()


def number_column(path: Path, wanted: str, region: str | None) -> tuple[str, tuple[str, ...]]:
    """Return the column of the numbers, and all columns."""
    folder = path.parent
    try:
        return wanted, open_source(path, number_column=wanted, fields=(), folder=folder).columns
    except AudienceProblem as error:
        columns = error.columns
    if not columns:
        return wanted, ()  # the table cannot be read: whoever keeps it says why
    normaliser, found = Normaliser(region), dict.fromkeys(columns, 0)
    try:
        for row in islice(open_source(path, number_column=columns[0], folder=folder), ROWS_TRIED):
            for column, value in row.fields.items():
                try:
                    normaliser.normalise(value)
                except InvalidNumber:
                    continue
                found[column] = found.get(column, 0) + 1
    except AudienceProblem:
        return wanted, columns
    best = max(found, key=lambda column: found[column])
    return (best if found[best] else wanted), columns


def tables_of(
    document: Document, folder: Path, region: str | None
) -> tuple[tuple[TableRows, ...], tuple[Missing, ...]]:
    tables: list[TableRows] = []
    missing: list[Missing] = []
    fields = _fields(document)
    for name, number in named_tables(document):
        path = folder / name
        try:
            columns = open_source(path, number_column=number, fields=(), folder=folder).columns
            unknown = [field for field, _ in unknown_fields(fields, columns, field_name(number))]
            missing += [Missing(name, field, columns[:MOST_COLUMNS], is_number=False) for field in unknown]
            tables.append(TableRows(name, number, columns, *read_rows(path, number, region)))
        except AudienceProblem as error:  # where it is no missing column, the check has told it
            if error.columns:
                missing.append(Missing(name, number, error.columns[:MOST_COLUMNS], is_number=True))
                tables.append(TableRows(name, number, error.columns))
        except OSError:
            continue
    return tuple(tables), tuple(dict.fromkeys(missing))


def _fields(document: Document) -> frozenset[str]:
    """Return the fields that everybody in the audience must have."""
    paths: list[KeyPath] = [("message",), *(("variants", place, "message") for place in range(MOST_TEXTS))]
    fields = frozenset[str]()
    for path in paths:
        message = document.value(path)
        if isinstance(message, str):
            try:
                fields |= compile_message(message).required
            except TemplateProblem:
                continue
    return fields


def named_tables(document: Document) -> list[tuple[str, str]]:
    """Return the tables that the audience names, among those that were uploaded, with their columns of numbers."""
    found: dict[str, str] = {}
    for path in audience_paths(document):
        name, number = document.value((*path, "file")), document.value((*path, "number"))
        try:
            called = table_name(name) if isinstance(name, str) else ""
        except Refused:
            continue
        if called:
            found.setdefault(called, number if isinstance(number, str) and number.strip() else NUMBER)
    return list(found.items())[:MOST_TABLES]


def audience_paths(document: Document) -> list[KeyPath]:
    """Return where the sources of an audience stand."""
    audience = document.value(("audience",))
    return [("audience", place) for place in range(len(audience))] if isinstance(audience, list) else [("audience",)]
