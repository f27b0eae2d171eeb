"""`plan`: what a campaign would do."""

from pathlib import Path
from typing import Annotated

import typer

from scheduler.cli.options import AsJson
from scheduler.cli.rendering.output import print_json


def plan(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A campaign file (YAML).")],
    sandbox: Annotated[bool, typer.Option("--sandbox", help="As `run --sandbox` would do it.")] = False,
    json: AsJson = False,
) -> None:
    """Show what a campaign would do, sending nothing.

    Shows who gets which text, who gets none, what it costs and when it would be done. Needs no gateway, and reads
    the database only for opt-outs, what a frequency cap counts, and whether another database sent the campaign.
    """
    from campaigns.clock import SystemClock
    from scheduler.actions.plans import preview
    from scheduler.actions.plans.facts import preview_json
    from scheduler.cli.rendering.plan import print_preview
    from scheduler.cli.settings import sending_settings

    settings = sending_settings()
    if sandbox:
        from scheduler.processes.rehearsal import rehearsal_settings

        settings = rehearsal_settings(settings)
    seen = preview.plan(file, settings, rehearsal=sandbox, now=SystemClock().now().replace(microsecond=0))
    if json:
        print_json(preview_json(seen))
    else:
        print_preview(seen)
