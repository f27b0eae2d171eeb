"""The tables that a draft names: their columns, and those that it asks for and none of them has."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from phonenumbers import SUPPORTED_REGIONS

from campaigns.audience import AudienceProblem, open_source
from campaigns.audience.rows import is_for_numbers
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
NO_COUNTRY: Final = "has no country code: name the country in the form, or as default_region in the campaign file"
"""What is told of a number without a country to somebody at a browser."""


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

    `countryless`: how many of the `bad_rows` only lack a country, which a draft can still name.
    `rows` None: they were not read, because the column of the numbers is not there.
    """

    name: str
    number: str
    columns: tuple[str, ...]
    rows: int | None = None
    bad_rows: int = 0
    bad: tuple[BadRow, ...] = ()
    countryless: int = 0


def number_column(path: Path, wanted: str, region: str | None) -> tuple[str, tuple[str, ...]]:
    """Return the column of the numbers, and all columns.

    Where the `wanted` one is not there: the one with most usable numbers. Without a country there may be none, and the
    numbers of customers look like those of phones: then the name of the column decides.
    """
    folder = path.parent
    try:
        return wanted, open_source(path, number_column=wanted, fields=(), folder=folder).columns
    except AudienceProblem as error:
        columns = error.columns
    if not columns:
        return wanted, ()  # the table cannot be read: whoever keeps it says why
    normaliser, usable, countryless = Normaliser(region), Counter[str](), Counter[str]()
    try:
        for row in islice(open_source(path, number_column=columns[0], folder=folder), ROWS_TRIED):
            for column, value in row.fields.items():
                try:
                    normaliser.normalise(value)
                except InvalidNumber as error:
                    countryless[column] += error.lacks_country
                    continue
                usable[column] += 1
    except AudienceProblem:
        return wanted, columns
    best = max(columns, key=lambda name: (usable[name], is_for_numbers(name), countryless[name]))
    return (best if usable[best] or countryless[best] else wanted), columns


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
            tables.append(TableRows(name, number, columns, *read_rows(path, number, region, NO_COUNTRY)))
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
    return list(_named(document, audience_paths(document)).items())[:MOST_TABLES]


def numbers_in(document: Document) -> Mapping[str, str]:
    """Return the column of the numbers of every table that a draft names, also of people who get nothing."""
    return _named(document, source_paths(document))


def region_in(document: Document) -> str:
    """Return the country of numbers without one; empty: the draft names none that there is."""
    region = document.value(("default_region",))
    written = region.strip().upper() if isinstance(region, str) else ""
    return written if written in SUPPORTED_REGIONS else ""


def _named(document: Document, paths: Iterable[KeyPath]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in paths:
        name, number = document.value((*path, "file")), document.value((*path, "number"))
        try:
            called = table_name(name) if isinstance(name, str) else ""
        except Refused:
            continue
        if called:
            found.setdefault(called, number if isinstance(number, str) and number.strip() else NUMBER)
    return found


def audience_paths(document: Document) -> list[KeyPath]:
    """Return where the sources of an audience stand."""
    return _paths(document, "audience")


def source_paths(document: Document) -> list[KeyPath]:
    """Return where the sources stand: of people who get a text, and of those who do not."""
    return [*_paths(document, "audience"), *_paths(document, "exclude")]


def _paths(document: Document, key: str) -> list[KeyPath]:
    value = document.value((key,))
    return [(key, place) for place in range(len(value))] if isinstance(value, list) else [(key,)]
