"""Every recipient of a campaign, as a file."""

from dataclasses import dataclass
from typing import TextIO
from zoneinfo import ZoneInfo

from scheduler.actions.naming import latest_run
from scheduler.report.formats import Format
from scheduler.report.page import write_page
from scheduler.report.rows import write_csv, write_jsonl
from worker.store.engine import Store
from worker.store.runs.reminders import every_day
from worker.store.runs.runs import RunView, run_view


@dataclass(frozen=True, slots=True)
class ToExport:
    """The runs of an export; `with_resends` as in `worker.store.reports.exports.export_pages`."""

    runs: tuple[RunView, ...]
    with_resends: bool


def to_export(store: Store, campaign: str, number: int | None = None) -> ToExport:
    """Return the latest run of a campaign, or the one with this number; of reminders all days. Raises `Refused`."""
    with store.read() as session:
        run = latest_run(session, campaign, number)
        of_days = number is None and run.day
        run_ids = every_day(session, run.campaign_id) if of_days else [run.id]
        return ToExport(tuple(run_view(session, run_id) for run_id in run_ids), with_resends=number is None)


def write_export(
    store: Store, chosen: ToExport, stream: TextIO, form: Format, *, raw: bool = False, zone: ZoneInfo
) -> int:
    """Write every recipient with number, state, reason, text and times; return how many. `raw` as in `write_csv`."""
    whole = chosen.with_resends
    if form is Format.HTML:
        return write_page(store, chosen.runs, stream, zone=zone, with_resends=whole)
    if form is Format.JSONL:
        return sum(write_jsonl(store, run.id, stream, with_resends=whole) for run in chosen.runs)
    return sum(
        write_csv(store, run.id, stream, raw=raw, header=not place, with_resends=whole)
        for place, run in enumerate(chosen.runs)
    )
