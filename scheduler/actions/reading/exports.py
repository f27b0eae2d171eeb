"""Every recipient of a campaign, as a file; and the figures of its report."""

from dataclasses import dataclass
from datetime import datetime
from typing import TextIO

from scheduler.actions.naming import latest_run
from scheduler.actions.reading.runs import read_runs
from scheduler.report.course import SeenCourse, seen_course
from scheduler.report.formats import Format
from scheduler.report.page_figures import PageFigures, count_figures
from scheduler.report.rows import write_csv, write_jsonl
from scheduler.report.summary import RunProgress
from worker.store.engine import Store
from worker.store.reports.courses import load_course
from worker.store.runs.reminders import every_day
from worker.store.runs.runs import RunView, run_view


@dataclass(frozen=True, slots=True)
class ToExport:
    """The runs of an export. `with_resends`: also what was sent again of them, and their steps, as in
    `worker.store.reports.exports.export_pages`."""

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
    store: Store, chosen: ToExport, stream: TextIO, form: Format, *, raw: bool = False, full: bool = True
) -> int:
    """Write every recipient with number, state, reason, text and times; return how many.

    `raw` and `full` as in `write_csv`; JSON lines are always full.
    """
    whole = chosen.with_resends
    if form is Format.JSONL:
        return sum(write_jsonl(store, run.id, stream, with_resends=whole, with_steps=whole) for run in chosen.runs)
    return sum(
        write_csv(store, run.id, stream, raw=raw, header=not place, with_resends=whole, with_steps=whole, full=full)
        for place, run in enumerate(chosen.runs)
    )


@dataclass(frozen=True, slots=True)
class CampaignReport:
    """What is in the report of a campaign: its runs, how far they are, the figures of everybody, and their course."""

    runs: tuple[RunView, ...]
    seen: RunProgress
    figures: PageFigures
    course: SeenCourse


def read_report(store: Store, campaign: str, number: int | None = None, *, now: datetime) -> CampaignReport:
    """Return the report of a campaign's latest run, or of the one with this number: reads everybody once.

    Raises `Refused`.
    """
    chosen = to_export(store, campaign, number)
    seen = read_runs(store, campaign, number, now=now)[0]
    figures = count_figures(store, chosen.runs, with_resends=chosen.with_resends)
    lines = tuple(figures.course.line(kind) for kind in range(figures.course.kinds))
    if len(chosen.runs) > 1:
        return CampaignReport(chosen.runs, seen, figures, SeenCourse(lines))
    run = chosen.runs[0]
    with store.read() as session:
        _, known = load_course(session, run.id)
    course = seen_course(seen, run, lines, known, now)
    return CampaignReport(chosen.runs, seen, figures, course)
