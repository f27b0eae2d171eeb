"""What became of a run: its figures as one object, its recipients row by row."""

import csv
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from campaigns.approval import command
from scheduler.variant_words import outcomes_json
from worker.store.counts import Books
from worker.store.engine import Store
from worker.store.exports import COLUMNS, Exported, export_pages
from worker.store.reminders import day_of
from worker.store.repetitions import moment_of
from worker.store.runs import RunView
from worker.store.variants import GroupOutcome

_FORMULA: Final = frozenset(
    "=+-@\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)
"""What a spreadsheet takes for a formula when a cell begins with it (OWASP, "CSV injection"). Names and texts come from
whoever filled in some form, and a report is opened by somebody else."""

_NUMBER: Final = re.compile(r"\+[0-9]{1,15}")


def run_summary(run: RunView, books: Books, groups: Sequence[GroupOutcome] = (), *, awaits: str = "") -> dict[str, Any]:
    """The object with which `run --json` and `status --json` end: counts by state add up to the audience.

    Times are ISO 8601 in UTC, or None. `reason`, `moment`, `day`, `forecast` and `happened` are there only when known,
    `variants` and `control` only for `groups`. `awaits`: the hash that has to be approved before it starts.
    """
    moment = moment_of(run.moment)
    summary: dict[str, Any] = {
        "campaign": run.campaign,
        "run": run.id,
        **({"moment": utc(moment)} if moment else {}),
        **({"day": run.moment} if day_of(run.moment) else {}),
        "state": run.state.value,
        "recipients": {"audience": books.audience} | {state.value: n for state, n in books.by_state.items()},
        "segments": books.segments,
        "requests": {"send": books.send_requests, "read": run.read_requests},
        "started_at": utc(run.started_at),
        "finished_at": utc(run.finished_at),
    }
    expected = run.plan_summary.get("forecast")
    if expected is not None:
        summary["forecast"] = {name: expected[name] for name in ("first_send_at", "last_send_at")}
    if run.sent_at is not None and books.first_send_at is not None:
        summary["happened"] = {"first_send_at": utc(books.first_send_at), "last_send_at": utc(books.last_send_at)}
    summary |= outcomes_json(groups)
    if awaits:
        summary["approval"] = {"plan": awaits, "command": command(run.campaign, awaits)}
    return summary | {"reason": run.reason} if run.reason else summary


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


def utc(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC: `2026-12-01T09:00:00Z`; None for None."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


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
