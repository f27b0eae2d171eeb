"""Lists for programs and spreadsheets; for people, each command prints its own table."""

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import typer

from scheduler.cli.rendering.output import print_json


class Output(StrEnum):
    """The forms of what a command lists."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def chosen(output: Output | None, *, as_json: bool) -> Output:
    """Return the form that `--output` and `--json` ask for. Raises `BadParameter` if they contradict each other."""
    if as_json and output not in (None, Output.JSON):
        raise typer.BadParameter("--json means --output json: use only one of them", param_hint="--output")
    return Output.JSON if as_json else output or Output.TABLE


def print_listed(
    form: Output, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, header: bool = True
) -> bool:
    """Print rows as JSON lines or as CSV; return False for a table, of which nothing is printed.

    `columns`: the keys that CSV has, in this order; `requests.send` is the key of an object in the row.
    """
    if form is Output.JSON:
        for row in rows:
            print_json(row)
    elif form is Output.CSV:
        _print_csv(columns, rows, header=header)
    return form is not Output.TABLE


def _print_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, header: bool) -> None:
    from scheduler.cli.rendering.destination import destination
    from scheduler.report.rows import csv_writer, harmless_cell

    with destination(None) as stream:
        writer = csv_writer(stream)
        if header:
            writer.writerow(columns)
        writer.writerows([harmless_cell(_cell(row, column)) for column in columns] for row in rows)


def _cell(row: Mapping[str, Any], column: str) -> object:
    """Return a value as a cell: unknown ones are empty, lists and objects are JSON."""
    value: Any = row
    for key in column.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (Mapping, list, tuple, bool)) else value
