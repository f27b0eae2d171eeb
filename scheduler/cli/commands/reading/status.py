"""`status`: the progress of campaigns."""

import time
from typing import Annotated, Final

import typer

from campaigns.lifecycle import RecipientState
from scheduler.cli.completing import campaign_names
from scheduler.cli.options import AsJson, AsOutput, RunNumber
from scheduler.cli.rendering.listing import chosen, print_listed
from scheduler.cli.rendering.output import clear_screen, say, warn

WATCH_SECONDS: Final = 1.0

MOST_FILES: Final = 10
"""How many files of the inbox that cannot be used are named."""

COLUMNS: Final = (
    *("campaign", "run", "step", "moment", "day", "state", "reason", "recipients.audience"),
    *(f"recipients.{state}" for state in RecipientState),
    *(
        "segments",
        "replaced.texts",
        "replaced.segments_saved",
        "cost.amount",
        "cost.currency",
        "cost.segments_without_price",
        "requests.send",
        "requests.read",
        "started_at",
        "finished_at",
    ),
    *(f"{times}.{name}" for times in ("forecast", "happened") for name in ("first_send_at", "last_send_at")),
    *("variants", "control", "approval.plan", "approval.command", "replies", "reached_though_opted_out"),
    *("resends", "steps"),
)


def status(
    campaign: Annotated[
        str | None,
        typer.Argument(
            metavar="CAMPAIGN",
            help="One campaign in detail; default: all campaigns.",
            autocompletion=campaign_names,
        ),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every second until everything is finished.")] = False,
    number_of_run: RunNumber = None,
    output: AsOutput = None,
    json: AsJson = False,
) -> None:
    """Show how far campaigns have got, what they wait for, and why.

    Rehearsals, sent with --sandbox, are shown as well, and are named as such.
    """
    from campaigns.clock import SystemClock
    from scheduler.actions.opening import NOTHING_YET, report_store, required
    from scheduler.actions.reading.alerts import read_alerts
    from scheduler.actions.reading.lists import read_broken_files, read_needs
    from scheduler.actions.reading.runs import read_runs
    from scheduler.cli.rendering.progress import show_all, show_one
    from scheduler.report.summary import progress_json
    from worker.servers.checks import troubles_of
    from worker.settings.settings import load_settings

    form = chosen(output, as_json=json)
    settings, clock = load_settings(), SystemClock()
    with report_store(settings, warn) as found:
        store = required(found) if campaign else found
        if store is None:
            if not print_listed(form, COLUMNS, []):
                say(NOTHING_YET)
            return
        before = None
        while True:
            seen = (
                read_runs(store, campaign, number_of_run, now=clock.now()),
                troubles_of(store, settings.redis_url),
                read_alerts(store),
            )
            runs, troubles, alerts = seen
            if seen != before:
                rows = (progress_json(run) for run in runs)
                if not print_listed(form, COLUMNS, rows, header=before is None):
                    if before is not None:
                        clear_screen()
                    for alert in alerts:
                        say(f"{alert.severity.value}: {alert.says}")
                    if campaign is None:
                        show_all(runs, settings.zone)
                    else:
                        show_one(runs[0], settings.zone)
                    for need in read_needs(store).sentences():
                        say(need)
                    if campaign is None:
                        for file in read_broken_files(store, limit=MOST_FILES):
                            say(file.says)
                for trouble in troubles:
                    warn(trouble)
            if not watch or all(run.run.finished_at for run in runs):
                return
            before, store = seen, store.from_replica()
            time.sleep(WATCH_SECONDS)
