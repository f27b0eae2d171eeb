"""Options that several commands share."""

from typing import Annotated

import typer

from scheduler.cli.completing import campaign_names
from scheduler.cli.rendering.listing import Output

AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output, one object per line.")]
AsOutput = Annotated[
    Output | None,
    typer.Option("--output", help="table: for people (default); json: as --json; csv: for spreadsheets."),
]
RunNumber = Annotated[
    int | None,
    typer.Option("--run", metavar="N", help="This run of a campaign that repeats, by its number in `status CAMPAIGN`."),
]
JsonLogs = Annotated[bool, typer.Option("--json", help="Log JSON lines, whatever CAMPAIGNS_LOG_FORMAT says.")]
Sandbox = Annotated[bool, typer.Option("--sandbox", help="Send to a private sandbox gateway; needs no settings.")]
Slug = Annotated[
    str,
    typer.Argument(
        metavar="CAMPAIGN", help="The campaign's name, as its file gives it.", autocompletion=campaign_names
    ),
]
