"""`alerts`: conditions that somebody has to know about."""

from typing import Annotated, Final

import typer

from scheduler.cli.options import AsJson, AsOutput
from scheduler.cli.rendering.listing import chosen, print_listed
from scheduler.cli.rendering.output import local_time, print_table, say

COLUMNS: Final = ("name", "subject", "severity", "says", "raised_at", "cleared_at", "detail", "rehearsal")

REHEARSED = " (rehearsal)"

NONE_RAISED = "nothing needs you: no alert is raised"


def alerts(
    every: Annotated[
        bool, typer.Option("--all", help="Also the last 200 that were cleared, the last one first.")
    ] = False,
    output: AsOutput = None,
    json: AsJson = False,
) -> None:
    """Show the alerts that are raised, the most severe first; deploy/ALERTS.md says what to do about each."""
    from scheduler.actions.opening import existing_store
    from scheduler.actions.reading.alerts import read_alerts
    from worker.settings.settings import load_settings

    form = chosen(output, as_json=json)
    settings = load_settings()
    with existing_store(settings) as store:
        found = [] if store is None else read_alerts(store, with_cleared=every)
    if print_listed(form, COLUMNS, (alert.as_json() for alert in found)):
        return
    if not found:
        say(NONE_RAISED)
        return
    rows = [
        (
            alert.severity.value,
            alert.name.value,
            local_time(alert.raised_at, settings.zone),
            local_time(alert.cleared_at, settings.zone),
            alert.says + (REHEARSED if alert.rehearsal else ""),
        )
        for alert in found
    ]
    print_table(("severity", "alert", "raised", "cleared", "what"), rows)
