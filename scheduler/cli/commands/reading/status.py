"""`status`, `export`: how far campaigns are, and what became of everybody."""

import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TextIO

import typer

from campaigns.counting import amount
from scheduler.cli.options import AsJson, RunNumber, Slug
from scheduler.cli.rendering.destination import destination
from scheduler.cli.rendering.output import clear_screen, print_json, say, warn

if TYPE_CHECKING:
    from worker.store.engine import Store

WATCH_SECONDS: Final = 1.0


class Format(StrEnum):
    """How an export is written."""

    CSV = "csv"
    JSONL = "jsonl"
    HTML = "html"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(status)
    app.command()(export)


def status(
    campaign: Annotated[
        str | None, typer.Argument(metavar="CAMPAIGN", help="One campaign in detail; without it all of them.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every second until all of it is finished.")
    ] = False,
    number_of_run: RunNumber = None,
    json: AsJson = False,
) -> None:
    """Show how far campaigns are, what they wait for, and why."""
    from scheduler.actions.naming import NOTHING_YET, campaign_store, existing_store
    from scheduler.report.progress import read_progress, show_progress, show_waiting, summaries
    from worker.servers import troubles_of
    from worker.settings import load_settings

    settings = load_settings()
    with campaign_store(settings) if campaign else existing_store(settings) as store:
        if store is None:
            if not json:
                say(NOTHING_YET)
            return
        before = None
        while True:
            seen = read_progress(store, campaign, number_of_run), troubles_of(store, settings.redis_url)
            progress, troubles = seen
            if seen != before:
                if json:
                    for summary in summaries(progress):
                        print_json(summary)
                else:
                    if before is not None:
                        clear_screen()
                    show_progress(progress, settings.zone, in_detail=campaign is not None)
                    show_waiting(store)
                for trouble in troubles:
                    warn(trouble)
            if not watch or all(entry.run.finished_at for entry in progress):
                return
            before = seen
            time.sleep(WATCH_SECONDS)


def export(
    campaign: Slug,
    form: Annotated[
        Format, typer.Option("--format", help="csv; jsonl: one JSON object a line; html: a report with charts.")
    ] = Format.CSV,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file, whole or not at all.")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="CSV cells as they are, also those that a spreadsheet would compute.")
    ] = False,
    number_of_run: RunNumber = None,
    json: Annotated[bool, typer.Option("--json", help="Short for --format jsonl.")] = False,
) -> None:
    """Write every recipient of a campaign, as CSV or JSON lines; of one that reminds those of all days.

    Whoever was sent to again (`resend`) stands there once, with what became of that. With number, state, reason, text
    and times (UTC). Numbers and texts are written in full. As HTML: a page with charts, and whom it did not reach.
    """
    from scheduler.actions.naming import campaign_store, latest_run
    from scheduler.report.page import write_page
    from worker.settings import load_settings
    from worker.store.reminders import every_day
    from worker.store.runs import run_view

    settings = load_settings()
    with campaign_store(settings) as store:
        with store.read() as session:
            run = latest_run(session, campaign, number_of_run)
            of_days = number_of_run is None and run.day
            run_ids = every_day(session, run.campaign_id) if of_days else [run.id]
            runs = [run_view(session, run_id) for run_id in run_ids]
        with destination(output) as stream:
            is_whole = number_of_run is None
            if form is Format.HTML and not json:
                count = write_page(store, runs, stream, zone=settings.zone, with_resends=is_whole)
            else:
                count = _write(store, run_ids, stream, Format.JSONL if json else form, raw=raw, with_resends=is_whole)
    if output:
        warn(f"wrote {amount(count, 'recipient')} to {output}")


def _write(
    store: "Store", run_ids: Sequence[int], stream: TextIO, form: Format, *, raw: bool, with_resends: bool
) -> int:
    from scheduler.report.rows import write_csv, write_jsonl

    if form is Format.JSONL:
        return sum(write_jsonl(store, run_id, stream, with_resends=with_resends) for run_id in run_ids)
    return sum(
        write_csv(store, run_id, stream, raw=raw, header=not place, with_resends=with_resends)
        for place, run_id in enumerate(run_ids)
    )
