"""`capacity`: what a plan takes, and what would make it end by a moment."""

from pathlib import Path
from typing import Annotated

import typer

from scheduler.cli.options import AsJson
from scheduler.cli.rendering.output import print_json


def capacity(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A campaign file (YAML).")],
    by: Annotated[
        str | None,
        typer.Option(
            "--by", metavar="MOMENT", help="When it has to be done: 2026-12-01 18:00, in the campaign's zone."
        ),
    ] = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="As `run --sandbox` would do it.")] = False,
    json: AsJson = False,
) -> None:
    """Show what a campaign takes: phones, hours, segments, money and disk.

    With --by, also the smallest change of each kind that would make its last text leave by then: more phones, an
    earlier start, a wider window, higher limits and budgets, or texts that take fewer segments.
    """
    from campaigns.clock import SystemClock
    from scheduler.actions.plans.capacity import capacity as study
    from scheduler.actions.plans.facts import capacity_json
    from scheduler.cli.rendering.capacity import print_capacity
    from scheduler.cli.settings import sending_settings

    settings = sending_settings()
    if sandbox:
        from scheduler.processes.rehearsal import rehearsal_settings

        settings = rehearsal_settings(settings)
    found = study(file, settings, by=by, rehearsal=sandbox, now=SystemClock().now().replace(microsecond=0))
    if json:
        print_json(capacity_json(found))
    else:
        print_capacity(found)
