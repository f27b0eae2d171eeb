"""`init`: an inbox with an example."""

from pathlib import Path
from typing import Annotated, Final

import typer

from scheduler.cli.options import AsJson
from scheduler.cli.rendering.output import print_json, say

EXAMPLES: Final = (
    *("spring-sale", "appointment-reminder", "two-variants", "weekly-offer", "contact-list"),
    *("local-time", "approved-offer", "exclude-list", "spread-out", "order-ready", "invitation"),
)
"""The folders of `campaigns/examples`; the first one is the default."""


def init(
    folder: Annotated[
        str | None, typer.Argument(metavar="DIR", help="The inbox to make; by default the one of the settings.")
    ] = None,
    example: Annotated[
        str, typer.Option("--example", metavar="NAME", help=f"What to start from: {', '.join(EXAMPLES)}.")
    ] = EXAMPLES[0],
    json: AsJson = False,
) -> None:
    """Make an inbox with an example, and a settings file.

    Nothing that exists is overwritten.
    """
    from campaigns.clock import SystemClock
    from scheduler.actions.upkeep.starter import make_starter, rehearsal
    from worker.settings.settings import load_settings

    if example not in EXAMPLES:
        raise typer.BadParameter(f"must be one of {', '.join(EXAMPLES)}, not {example}", param_hint="--example")
    if folder == "":
        raise typer.BadParameter(
            "is empty; name a folder, or leave it out for the one of the settings", param_hint="DIR"
        )
    inbox = Path(folder) if folder else load_settings().inbox
    starter = make_starter(inbox, Path.cwd(), example=example, today=SystemClock().now().date())
    if json:
        print_json({"inbox": str(inbox), "made": [*map(str, starter.made)], "kept": [*map(str, starter.kept)]})
        return
    for path in starter.made:
        say(f"made  {path}")
    for path in starter.kept:
        say(f"kept  {path} (it was there already)")
    campaign = inbox / f"{example}.yaml"
    say(
        f"\nNext:\n  mv {campaign}.example {campaign}\n  campaigns check {campaign}\n"
        f"  campaigns plan {campaign} --sandbox\n  {rehearsal(example, campaign)}\n"
        "To put files into the folder while it runs:\n  campaigns up --sandbox\n"
        "For real texts set the gateway's address and key in .env, then leave out --sandbox."
    )
