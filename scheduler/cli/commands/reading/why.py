"""`why`: one person's full story, over all campaigns."""

from pathlib import Path
from typing import Annotated

import typer

from campaigns.counting import amount
from scheduler.cli.options import AsJson
from scheduler.cli.rendering.output import print_json, say, warn


def why(
    number: Annotated[
        str,
        typer.Argument(
            metavar="NUMBER", help="With +country, or as dialled in the region of the settings, or as a row has it."
        ),
    ],
    json: AsJson = False,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Write everything that is kept about them to it.")
    ] = None,
) -> None:
    """Show one person's full story, newest campaign first.

    What was planned, each attempt and its evidence, receipts, replies, and the cause of the state. The number is
    shown in full; so are the texts, with --json. With --export, all of it and the audit's entries go to a file, for
    whoever asks what is kept about them.
    """
    from campaigns.clock import SystemClock
    from scheduler.actions.answers import person_json
    from scheduler.actions.opening import report_store
    from scheduler.actions.reading.people import read_person
    from scheduler.report.opt_outs import opt_out_lines
    from scheduler.report.story import chapter_lines
    from worker.settings.settings import load_settings

    settings, now = load_settings(), SystemClock().now()
    with report_store(settings, warn) as store:
        person = read_person(store, number, settings.region, now=now)
        if export is not None:
            from scheduler.actions.forgetting.exporting import write_person
            from scheduler.cli.rendering.destination import destination

            with destination(export) as stream:
                count = write_person(stream, store, person, settings.zone, now=now)
            warn(f"wrote {amount(count, 'entry', 'entries')} to {export}")
            return
    entries, replies, chapters = person.story.opt_outs, person.story.replies, person.story.chapters
    if json:
        print_json(person_json(person, settings.zone, full=True))
        return
    told = list(opt_out_lines(entries, replies, settings.zone, is_in_doubt=person.is_in_doubt))
    if not chapters and not told:
        say(f"{person.number} is in no campaign" + (f", as it stands; {person.problem}" if person.problem else ""))
        return
    say(person.number)
    for line in told:
        say(f"  {line}")
    for chapter in chapters:
        say("")
        for line in chapter_lines(chapter, settings.zone):
            say(line)
