"""`schema`: the campaign file, for editors."""

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from scheduler.cli.options import AsJson


def schema(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it to this file.")] = None,
    json: AsJson = False,
) -> None:
    """Print the JSON Schema of the campaign file, for editors.

    With it they complete keys and mark mistakes while you type.
    """
    from campaigns.definition.schema import json_schema
    from scheduler.cli.rendering.destination import said_of

    text = jsonlib.dumps(json_schema(), indent=None if json else 2)
    if output is None:
        typer.echo(text)
        return
    with said_of(output):
        output.write_text(text + "\n", encoding="utf-8")
    typer.echo(f"wrote {output}", err=True)
