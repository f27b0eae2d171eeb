"""`export`: what became of everybody."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from campaigns.counting import amount
from scheduler.cli.options import RunNumber, Slug
from scheduler.cli.rendering.destination import destination
from scheduler.cli.rendering.output import warn
from scheduler.report.formats import Format


def export(
    campaign: Slug,
    form: Annotated[
        Format, typer.Option("--format", help="csv; jsonl: one JSON object per line; html: a report with charts.")
    ] = Format.CSV,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file, whole or not at all.")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Write CSV cells as they are, even those that a spreadsheet would compute.")
    ] = False,
    number_of_run: RunNumber = None,
    json: Annotated[bool, typer.Option("--json", help="Short for --format jsonl.")] = False,
) -> None:
    """Write every recipient of a campaign as CSV or JSON lines; for a reminder campaign, those of every day.

    Each row has number, state, reason, text and times (UTC). Numbers and texts are written in full. A person who
    got a second text (`resend`) is listed once, with its outcome. HTML is a page with charts and those not reached.
    """
    from scheduler.actions.opening import report_store, required
    from scheduler.actions.reading.exports import read_report, to_export, write_export
    from worker.settings.settings import load_settings

    settings = load_settings()
    chosen_form = Format.JSONL if json else form
    with report_store(settings, warn) as found:
        store = required(found)
        chosen = to_export(store, campaign, number_of_run)
        with destination(output) as stream:
            if chosen_form is Format.HTML:
                from scheduler.web.desk.report import write_report

                report = read_report(store, campaign, number_of_run, now=datetime.now(UTC))
                count = write_report(report, stream, settings.zone)
            else:
                count = write_export(store, chosen, stream, chosen_form, raw=raw)
    if output:
        warn(f"wrote {amount(count, 'recipient')} to {output}")
