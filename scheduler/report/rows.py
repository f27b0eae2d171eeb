"""The recipients of a run as rows: CSV for spreadsheets, JSON lines for programs."""

import csv
import json
import re
from collections.abc import Sequence
from typing import Any, Final, TextIO

from campaigns.lifecycle import RecipientState
from campaigns.steps.turns import reason_words
from scheduler.report.shown.seeing import number_for, words_for
from worker.store.engine import Store
from worker.store.reports.exports import COLUMNS, Exported, export_pages

_SIGNS: Final = "=+@\uff1d\uff0b\uff20\ufe66\ufe62\ufe6b\u207a\u207c\u208a\u208c\u2a75\u2a76\ufb29\uff0d\ufe63-"
"""The characters that begin a formula, and every form of them in Unicode: full width (which spreadsheets set to Chinese
or Japanese treat like the character itself), small, superscript, subscript."""

_UNSEEN: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Default_Ignorable_Code_Point and the Braille blank. A spreadsheet treats a cell that begins with one as text. But
programs on the way to it drop them (a byte order mark, blanks at the ends), and an apostrophe costs nothing."""

_FORMULA: Final = re.compile(rf'(^|[;|])([\s"{_UNSEEN}]*)(?=[{_SIGNS}])')
"""Where a spreadsheet may begin a formula (OWASP, "CSV injection"): at the start of a cell, and after the cell
separators of other countries, where quotation marks within a line have no effect. Names and texts come from anyone who
filled in a form, and somebody else opens the report."""

_FORMULA_AFTER: Final = re.compile(rf'[;|][\s"{_UNSEEN}]*[{_SIGNS}]')
"""The same for cells that all have a separator in front: a pattern that begins with a character set can be searched for
without trying it at every character, 1.3 us a row instead of 5.1."""

_BREAK: Final = re.compile("\r\n|[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Line breaks and tabs, which some programs take for the start of another row or cell, and other characters that no
cell needs."""

_NUMBER: Final = re.compile(r"\+[0-9]{1,15}")

HEADERS: Final = (b'"number","state","reason",', b"number,state,reason,")
"""The beginning of a report, now and before every cell was quoted."""


def csv_writer(stream: TextIO) -> Any:
    """Return a `csv.writer` that quotes every cell: Python before 3.11.10 leaves a lone carriage return unquoted."""
    return csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)


def write_csv(
    store: Store,
    run_id: int,
    stream: TextIO,
    *,
    raw: bool = False,
    header: bool = True,
    with_resends: bool = False,
    with_steps: bool = False,
    full: bool = True,
) -> int:
    """Write every recipient as CSV, with `header` or without; return how many. Open the stream with `newline=""`.

    `with_resends` and `with_steps` as in `worker.store.reports.exports.export_pages`; `full` as in
    `scheduler.report.shown.seeing`.

    Unless `raw`, line breaks become spaces, and anything that a spreadsheet would compute gets an apostrophe in front;
    phone numbers never do.
    """
    writer = csv_writer(stream)
    if header:
        writer.writerow(COLUMNS)
    count = 0
    with store.read() as session:
        for page in export_pages(session, run_id, with_resends=with_resends, with_steps=with_steps):
            told = map(_told, page)
            seen = told if full else map(_masked, told)
            writer.writerows(seen if raw else map(_harmless, seen))
            count += len(page)
    return count


def write_jsonl(
    store: Store, run_id: int, stream: TextIO, *, with_resends: bool = False, with_steps: bool = False
) -> int:
    """Write every recipient as a line of JSON; return how many. Numbers are numbers, unknown values are null."""
    count = 0
    with store.read() as session:
        for page in export_pages(session, run_id, with_resends=with_resends, with_steps=with_steps):
            stream.writelines(json.dumps(row._asdict(), ensure_ascii=False) + "\n" for row in map(_told, page))
            count += len(page)
    return count


def _told(row: Exported) -> Exported:
    """Return the row with its reason in words."""
    return row._replace(reason=reason_words(row.state, row.reason)) if row.state == RecipientState.EXCLUDED else row


def _masked(row: Exported) -> Exported:
    return row._replace(
        number=number_for(row.number, full=False),
        text=words_for(row.text, full=False) or "",
        reply=words_for(row.reply, full=False),
    )


def _harmless(row: Exported) -> Sequence[object]:
    """Return the row, without anything that a spreadsheet would compute or take for another row."""
    # True for almost every row: checking each cell by itself would take half of the time of an export.
    cells = f";{row.reason};{row.variant};{row.text};{row.group_id or ''};{row.reply or ''}"
    if cells.isprintable() and not _FORMULA_AFTER.search(cells) and _NUMBER.fullmatch(row.number):
        return row
    return [harmless_cell(cell) for cell in row]


def harmless_cell(cell: object) -> object:
    """Return the cell in one line, with an apostrophe before each sign that may begin a formula in a spreadsheet.

    Phone numbers never get one.
    """
    if not isinstance(cell, str) or _NUMBER.fullmatch(cell):
        return cell
    return _FORMULA.sub(r"\1\2'", _BREAK.sub(" ", cell))
