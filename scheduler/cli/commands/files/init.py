"""`init`, `check`, `plan`, `schema`: campaign files before anything is sent."""

import json as jsonlib
from pathlib import Path
from typing import Annotated, Final

import typer

from scheduler.cli.options import AsJson
from scheduler.cli.rendering.output import print_json, say
from scheduler.exits import Exit

EXAMPLES: Final = (
    *("spring-sale", "appointment-reminder", "two-variants", "weekly-offer", "contact-list"),
    *("local-time", "approved-offer", "exclude-list", "spread-out", "order-ready"),
)
"""The folders of `campaigns/examples`; the first one is made where none is named."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(init)
    app.command()(check)
    app.command()(plan)
    app.command()(schema)


def init(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="The inbox to make; by default the one of the settings.")
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
    from scheduler.cli.commands.files.starter import make_starter, rehearsal
    from worker.settings import load_settings

    if example not in EXAMPLES:
        raise typer.BadParameter(f"must be one of {', '.join(EXAMPLES)}, not {example}", param_hint="--example")
    inbox = folder or load_settings().inbox
    made, kept = make_starter(inbox, Path.cwd(), example=example, today=SystemClock().now().date())
    if json:
        print_json({"inbox": str(inbox), "made": [str(path) for path in made], "kept": [str(path) for path in kept]})
        return
    for path in made:
        say(f"made  {path}")
    for path in kept:
        say(f"kept  {path} (it was there already)")
    campaign = inbox / f"{example}.yaml"
    say(
        f"\nNext:\n  mv {campaign}.example {campaign}\n  campaigns check {campaign}\n"
        f"  campaigns plan {campaign} --sandbox\n  {rehearsal(example, campaign)}\n"
        "For real texts set the gateway's address and key in .env, then leave out --sandbox."
    )


def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Campaign files (YAML).")],
    json: AsJson = False,
) -> None:
    """Validate campaign files and the tables that they name.

    Nothing is planned or sent. Exit code 2 if any is invalid: its problems are listed, the first 100 of
    them, as file:line:column: path: problem.
    """
    from dataclasses import asdict

    from campaigns.checking import check_file
    from campaigns.clock import SystemClock
    from campaigns.problems import CampaignFileError, Problem
    from worker.settings import load_settings

    settings = load_settings()
    problems: list[Problem] = []
    more = 0
    for file in files:
        more_here = 0
        try:
            now, policy, warnings = SystemClock().now(), settings.policy, list[Problem]()
            check_file(
                file, timezone=settings.timezone, region=settings.region, now=now, policy=policy, warnings=warnings
            )
            found: tuple[Problem, ...] = ()
        except CampaignFileError as error:
            found, more_here = error.problems, error.more
        problems.extend(found)
        more += more_here
        if json:
            told = {"problems": list(map(asdict, found)), "more": more_here, "warnings": list(map(asdict, warnings))}
            print_json({"file": str(file), "valid": not found} | told)
            continue
        if not found:
            say(f"{file}: valid")
        for warning in warnings:
            say(f"warning: {warning}")
    if problems and not json:
        raise CampaignFileError(problems, more)
    raise typer.Exit(Exit.BAD_INPUT if problems else Exit.DONE)


def plan(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A campaign file (YAML).")],
    sandbox: Annotated[bool, typer.Option("--sandbox", help="As `run --sandbox` would do it.")] = False,
    json: AsJson = False,
) -> None:
    """Show what a campaign would do, sending nothing.

    Who gets which text, who gets none, what it costs, when it would be done. Needs no gateway, and looks into the
    database only for who opted out, what a frequency cap counts, and whether another database sent it.
    """
    from campaigns.clock import SystemClock
    from scheduler.actions.plans.known import known_people
    from scheduler.actions.plans.preview import preview
    from scheduler.cli.rendering.plan import preview_json, print_preview
    from scheduler.intake.taking import read_file
    from worker.settings import load_settings

    settings = load_settings()
    if sandbox:
        from scheduler.processes.rehearsal import rehearsal_settings

        settings = rehearsal_settings(settings)
    now = SystemClock().now().replace(microsecond=0)
    definition = read_file(file, settings, now=now)
    with known_people(file, definition, settings, rehearsal=sandbox, now=now) as people:
        seen = preview(definition, settings, source=str(file), now=now, people=people)
    if json:
        print_json(preview_json(seen))
    else:
        print_preview(seen)


def schema(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it to this file.")] = None,
    json: AsJson = False,
) -> None:
    """Print the JSON Schema of the campaign file, for editors.

    With it they complete keys and mark mistakes while you type.
    """
    from campaigns.definition import json_schema
    from scheduler.cli.rendering.destination import said_of

    text = jsonlib.dumps(json_schema(), indent=None if json else 2)
    if output is None:
        typer.echo(text)
        return
    with said_of(output):
        output.write_text(text + "\n", encoding="utf-8")
    typer.echo(f"wrote {output}", err=True)
