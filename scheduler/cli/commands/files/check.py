"""`check`: whether campaign files can be used."""

from pathlib import Path
from typing import Annotated

import typer

from scheduler.cli.options import AsJson
from scheduler.cli.rendering.output import print_json, say
from scheduler.exits import Exit


def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Campaign files (YAML).")],
    json: AsJson = False,
) -> None:
    """Validate campaign files and the tables that they name.

    Nothing is planned or sent. The database is asked only for earlier campaigns that they name.
    Exit code 2 if any is invalid: its problems are listed, the first 100 of each file, as
    file:line:column: path: problem.
    """
    from dataclasses import asdict

    from campaigns.clock import SystemClock
    from campaigns.problems import CampaignFileError, Problem
    from scheduler.actions import checking
    from worker.settings.settings import load_settings

    settings = load_settings()
    problems: list[Problem] = []
    more = 0
    for file in files:
        found = checking.check(file, settings, now=SystemClock().now())
        problems.extend(found.problems)
        more += found.more
        if json:
            listed = {"problems": list(map(asdict, found.problems)), "more": found.more}
            warnings = {"warnings": list(map(asdict, found.warnings))}
            print_json({"file": str(file), "valid": not found.problems} | listed | warnings)
            continue
        if not found.problems:
            say(f"{file}: valid")
        for warning in found.warnings:
            say(f"warning: {warning}")
    if problems and not json:
        raise CampaignFileError(problems, more)
    raise typer.Exit(Exit.BAD_INPUT if problems else Exit.DONE)
