"""The recipients of a run as rows: CSV for spreadsheets, JSON lines for programs."""

import csv
import json
import re
from collections.abc import Sequence
from typing import Final, TextIO

from worker.store.engine import Store
from worker.store.exports import COLUMNS, Exported, export_pages

_FORMULA: Final = frozenset(
    "=+-@\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)
"""What a spreadsheet takes for a formula when a cell begins with it (OWASP, "CSV injection"). Names and texts come from
whoever filled in some form, and a report is opened by somebody else."""

_NUMBER: Final = re.compile(r"\+[0-9]{1,15}")


def write_csv(
    store: Store, run_id: int, stream: TextIO, *, raw: bool = False, header: bool = True, with_resends: bool = False
) -> int:
    """Every recipient as CSV, with a header unless it is there already; how many. Open the stream with `newline=""`.

    `with_resends` as in `worker.store.exports.export_pages`.

    Cells that a spreadsheet would compute get an apostrophe in front, unless `raw`; phone numbers never do.
    """
    writer = csv.writer(stream, lineterminator="\n")
    if header:
        writer.writerow(COLUMNS)
    count = 0
    with store.read() as session:
        for page in export_pages(session, run_id, with_resends=with_resends):
            writer.writerows(page if raw else map(_harmless, page))
            count += len(page)
    return count


def write_jsonl(store: Store, run_id: int, stream: TextIO, *, with_resends: bool = False) -> int:
    """Every recipient as one JSON object a line; how many. Numbers are numbers, what is unknown is null."""
    count = 0
    with store.read() as session:
        for page in export_pages(session, run_id, with_resends=with_resends):
            stream.writelines(json.dumps(row._asdict(), ensure_ascii=False) + "\n" for row in page)
            count += len(page)
    return count


def _harmless(row: Exported) -> Sequence[object]:
    """The row as it is, or with an apostrophe in front of what a spreadsheet would compute."""
    # Almost every row: looking at each cell by itself would take half of the time of an export.
    if _FORMULA.isdisjoint(
        [row.reason[:1], row.variant[:1], row.text[:1], (row.group_id or "")[:1], (row.reply or "")[:1]]
    ) and _NUMBER.fullmatch(row.number):
        return row
    return [harmless_cell(cell) for cell in row]


def harmless_cell(cell: object) -> object:
    """The cell with an apostrophe in front where a spreadsheet would compute it; phone numbers never get one."""
    if isinstance(cell, str) and cell[:1] in _FORMULA and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell
