"""`status`: the progress of campaigns."""

import time
from typing import Annotated, Final

import typer

from campaigns.counting import amount
from scheduler.cli.options import AsJson, RunNumber
from scheduler.cli.rendering.output import clear_screen, print_json, say, warn

WATCH_SECONDS: Final = 1.0


def status(
    campaign: Annotated[
        str | None, typer.Argument(metavar="CAMPAIGN", help="One campaign in detail; default: all campaigns.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every second until everything is finished.")] = False,
    number_of_run: RunNumber = None,
    json: AsJson = False,
) -> None:
    """Show how far campaigns have got, what they wait for, and why."""
    from campaigns.clock import SystemClock
    from scheduler.actions.opening import NOTHING_YET, campaign_store, existing_store
    from scheduler.actions.reading.replies import count_to_review
    from scheduler.actions.reading.runs import read_runs
    from scheduler.cli.rendering.progress import show_all, show_one
    from scheduler.report.summary import progress_json
    from worker.servers.checks import troubles_of
    from worker.settings.settings import load_settings

    settings, clock = load_settings(), SystemClock()
    with campaign_store(settings) if campaign else existing_store(settings) as store:
        if store is None:
            if not json:
                say(NOTHING_YET)
            return
        before = None
        while True:
            seen = (
                read_runs(store, campaign, number_of_run, now=clock.now()),
                troubles_of(store, settings.redis_url),
            )
            runs, troubles = seen
            if seen != before:
                if json:
                    for run in runs:
                        print_json(progress_json(run))
                else:
                    if before is not None:
                        clear_screen()
                    if campaign is None:
                        show_all(runs, settings.zone)
                    else:
                        show_one(runs[0], settings.zone)
                    if waiting := count_to_review(store):
                        replies = amount(waiting, "reply", "replies")
                        say(f"{replies} may mean stop and wait to be read: campaigns suppress review")
                for trouble in troubles:
                    warn(trouble)
            if not watch or all(run.run.finished_at for run in runs):
                return
            before = seen
            time.sleep(WATCH_SECONDS)
