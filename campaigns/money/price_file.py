"""Reads the file of prices: CSV with a heading, separated by commas, semicolons or tabs (deploy/SETTINGS.md)."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Final

from campaigns.money.amounts import parse_currency, parse_decimal
from campaigns.money.prices import ANY, PriceRow, Prices
from campaigns.values.scalars import nearest, shown
from campaigns.values.targets import parse_target

COLUMNS: Final = ("prefix", "device", "price", "currency", "from")
REQUIRED: Final = ("prefix", "price", "currency")

MOST_BYTES: Final = 4_000_000
"""A price list of all networks of the world has some thousand lines."""

_PREFIX: Final = re.compile(r"(?:\+|00)?([1-9][0-9]{0,14})")


class PriceFileError(Exception):
    """The file cannot be used. `line` counts from 1; 0: it is about the whole file. As a text: one sentence."""

    def __init__(self, file: str, line: int, problem: str) -> None:
        super().__init__(f"{file}:{line}: {problem}" if line else f"{file}: {problem}")
        self.file = file
        self.line = line
        self.problem = problem


def read_prices(name: str, content: bytes) -> Prices:
    """Return the prices in a file of this name. Raises `PriceFileError`."""
    if len(content) > MOST_BYTES:
        raise PriceFileError(name, 0, f"has more than {MOST_BYTES:,} bytes; this is no list of prices")
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise PriceFileError(name, 0, "is not UTF-8; save it again in that encoding") from None
    heading = lines[0] if lines else ""
    delimiter = max(",;\t", key=heading.count)
    rows: dict[tuple[str, str, date | None], tuple[PriceRow, int]] = {}
    currency = ""
    for line, cells in _cells(name, csv.reader(lines, delimiter=delimiter, strict=True)):
        found, of_row = _row(name, line, cells)
        if currency and of_row != currency:
            raise PriceFileError(
                name, line, f"currency: is {of_row}, but the lines before have {currency}; use one currency"
            )
        currency = of_row
        key = found.prefix, found.device, found.since
        if key in rows:
            raise PriceFileError(
                name, line, f"is for the same prefix, device and day as line {rows[key][1]}; remove one of the two"
            )
        rows[key] = found, line
    if not rows:
        raise PriceFileError(name, 0, f"has no price; write a heading ({','.join(COLUMNS)}) and a line for each prefix")
    return Prices(currency, tuple(row for row, _ in rows.values()))


def _cells(name: str, reader: Iterable[list[str]]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the lines that are not empty, by the names of their columns; the heading is line 1."""
    columns: list[str] = []
    line = 0
    try:
        for line, cells in enumerate(reader, start=1):
            values = [cell.strip() for cell in cells]
            if not any(values):
                continue
            if not columns:
                columns = _heading(name, line, values)
                continue
            if len(values) > len(columns):
                raise PriceFileError(
                    name,
                    line,
                    f"has {len(values)} cells, but the heading has {len(columns)}; "
                    "write decimals with a point, or separate cells with semicolons",
                )
            yield line, dict(zip(columns, values, strict=False))
    except csv.Error as error:
        raise PriceFileError(name, line + 1, f"is not CSV ({error}); save it again as CSV") from None


def _heading(name: str, line: int, values: list[str]) -> list[str]:
    columns = [value.casefold() for value in values]
    for column in columns:
        if column not in COLUMNS:
            near = nearest(column, list(COLUMNS))
            hint = f"did you mean {near}?" if near else f"known are {', '.join(COLUMNS)}"
            raise PriceFileError(name, line, f"has an unknown column {shown(column)}; {hint}")
    twice = next((column for column in columns if columns.count(column) > 1), "")
    if twice:
        raise PriceFileError(name, line, f"has the column {twice} twice; remove one of the two")
    missing = next((column for column in REQUIRED if column not in columns), "")
    if missing:
        raise PriceFileError(name, line, f"has no column {missing}; the heading is {','.join(COLUMNS)}")
    return columns


def _row(name: str, line: int, cells: Mapping[str, str]) -> tuple[PriceRow, str]:
    """Return a price and its currency."""

    def wrong(column: str, must: str) -> PriceFileError:
        value = cells.get(column, "")
        said = f"must be {must}, not {shown(value)}" if value else f"is empty; write {must}"
        return PriceFileError(name, line, f"{column}: {said}")

    prefix = _PREFIX.fullmatch(cells.get("prefix", "").replace(" ", ""))
    if prefix is None:
        raise wrong("prefix", "the first digits of numbers with their country code, such as +39 or +39347")
    try:
        millionths = parse_decimal(cells.get("price", ""))
    except ValueError:
        raise wrong("price", "a price per segment with at most six decimals, such as 0.045") from None
    try:
        currency = parse_currency(cells.get("currency", ""))
    except ValueError:
        raise wrong("currency", "three letters, such as EUR") from None
    device = cells.get("device", ANY)
    try:
        target = str(parse_target(device)) if device else ANY
    except ValueError:
        raise wrong("device", "a device id, or an id and a SIM slot such as 2|0, or nothing for every phone") from None
    since = cells.get("from", "")
    try:
        begins = date.fromisoformat(since) if since else None
    except ValueError:
        raise wrong("from", "a date such as 2027-03-01, or nothing") from None
    return PriceRow(prefix[1], target, millionths, begins), currency
