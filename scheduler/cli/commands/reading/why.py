"""`why`: one person's full story, over all campaigns."""

from typing import TYPE_CHECKING, Annotated

import typer

from scheduler.cli.options import AsJson
from scheduler.cli.rendering.output import print_json, say

if TYPE_CHECKING:
    from worker.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(why)


def why(
    number: Annotated[
        str,
        typer.Argument(metavar="NUMBER", help="With +country, or of the region in the settings; or as a row has it."),
    ],
    json: AsJson = False,
) -> None:
    """Tell one person's full story, the newest campaign first.

    What was planned, each attempt and its evidence, receipts, replies, and the cause of the state. The number is
    shown in full, and with --json the texts, too.
    """
    from campaigns.clock import SystemClock
    from campaigns.lifecycle import RecipientState
    from scheduler.actions.naming import existing_store
    from scheduler.report.opt_outs import entry_json, opt_out_lines, reply_json
    from scheduler.report.people import NO_STORY, tell
    from scheduler.report.story import chapter_json, chapter_lines
    from worker.settings import load_settings

    settings = load_settings()
    wanted, problem = _as_written(number, settings)
    with existing_store(settings) as store:
        story = NO_STORY if store is None else tell(store, wanted, now=SystemClock().now())
    entries, replies, chapters = story.opt_outs, story.replies, story.chapters
    if json:
        print_json(
            {
                "number": wanted[0],
                "suppressions": [entry_json(entry) for entry in entries],
                "replies": [reply_json(reply) for reply in replies],
                "story": [chapter_json(chapter, settings.zone) for chapter in chapters],
            }
        )
        return
    is_in_doubt = any(chapter.row.state is RecipientState.IN_DOUBT for chapter in chapters)
    told = list(opt_out_lines(entries, replies, settings.zone, is_in_doubt=is_in_doubt))
    if not chapters and not told:
        say(f"{wanted[0]} is in no campaign{problem}")
        return
    say(wanted[0])
    for line in told:
        say(f"  {line}")
    for chapter in chapters:
        say("")
        for line in chapter_lines(chapter, settings.zone):
            say(line)


def _as_written(number: str, settings: "Settings") -> tuple[list[str], str]:
    """The forms that rows may have it in: the normal one, if it is a number, and what was typed: an invalid row's.

    And what is wrong with it as a number, for whoever is not found by it.
    """
    from campaigns.numbers import InvalidNumber, Normaliser

    try:
        return list(dict.fromkeys([Normaliser(settings.region).normalise(number), number])), ""
    except InvalidNumber as error:
        return [number], f", as it stands; as a number it cannot be read ({error.reason}): write it as +39 333 123 4567"
