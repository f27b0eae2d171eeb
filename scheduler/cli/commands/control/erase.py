"""`erase`: people of whom nothing but a hash, and what they opted out of, is to stay."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from campaigns.counting import amount
from scheduler.cli.options import AsJson
from scheduler.cli.rendering.output import print_json, say


def erase(
    numbers: Annotated[
        list[str] | None,
        typer.Argument(metavar="NUMBER...", help="With +country, or as dialled in the region of the settings."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="A .csv, .tsv, .jsonl or .xlsx table of numbers.")
    ] = None,
    column: Annotated[str, typer.Option("--number", help="The column of the table that holds the numbers.")] = "number",
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="Also rebuild a large SQLite file, during which nothing is sent."),
    ] = False,
    make_key: Annotated[
        bool, typer.Option("--make-key", help="Make the file with the key of the hashes, once, and erase nobody.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    json: AsJson = False,
) -> None:
    """Erase people: their texts, names and replies are gone, and a hash stands for the number.

    What is only planned for them is cancelled. Opt-outs stay in force. Whoever has a text under way is erased by the
    service once it is settled. This cannot be undone. Example: campaigns erase "+39 333 123 4567"
    """
    from campaigns.clock import SystemClock
    from scheduler.actions.forgetting.erasing import erase as erase_people
    from scheduler.actions.forgetting.key import make_key as make
    from scheduler.actions.forgetting.shown import erasing_json, erasing_lines
    from scheduler.actions.numbers import all_normalised
    from scheduler.actions.opening import own_store
    from scheduler.actions.suppressing.opt_outs import open_table
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    settings, now = load_settings(), SystemClock().now()
    if make_key:
        say(f"made {make(settings)}: keep a copy of it in a safe place, because opt-outs of the erased depend on it")
        return
    if bool(numbers) is (file is not None):
        raise typer.BadParameter("name numbers, or a table of them with --file", param_hint="NUMBER...")
    named = all_normalised(numbers or [], settings.region)
    table = open_table(file, column, settings.region, now=now) if file is not None else None
    if sys.stdin.isatty() and not yes:
        who = amount(len(named), "person", "people") if table is None else f"everybody in {file}"
        typer.echo(f"Erase {who} for good? [y/N] ", err=True, nl=False)
        if sys.stdin.readline().strip().casefold() not in {"y", "yes"}:
            typer.echo("nobody was erased", err=True)
            return
    chunks: Iterable[Sequence[str]] = [named]
    if table is not None:
        chunks = ([entry.number for entry in entries] for entries in table.chunks(1_000))
    with own_store(settings) as store:
        done = erase_people(
            store, this_user(), chunks, inbox=settings.inbox, now=now, rebuild=True if rebuild else None
        )
    if json:
        print_json(erasing_json(done, full=True))
        return
    for line in erasing_lines(done):
        say(line)
