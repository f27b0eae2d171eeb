"""`why`: one person's full story, over all campaigns."""

from typing import TYPE_CHECKING, Annotated

import typer

from scheduler.cli.options import AsJson
from scheduler.cli.output import print_json, say

if TYPE_CHECKING:
    from scheduler.story_words import Chapter
    from worker.settings import Settings
    from worker.store.engine import Store
    from worker.store.inbound import Answer
    from worker.store.suppressions import Entry


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
    from campaigns.lifecycle import RecipientState
    from scheduler.cli.reading import existing_store
    from scheduler.opt_out_words import entry_json, opt_out_lines, reply_json
    from scheduler.story_words import chapter_json, chapter_lines
    from worker.settings import load_settings

    settings = load_settings()
    wanted = _as_written(number, settings)
    with existing_store(settings) as store:
        chapters = [] if store is None else _chapters(store, wanted)
        entries, replies = ([], []) if store is None else _wishes(store, wanted)
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
        say(f"{wanted[0]} is in no campaign")
        return
    say(wanted[0])
    for line in told:
        say(f"  {line}")
    for chapter in chapters:
        say("")
        for line in chapter_lines(chapter, settings.zone):
            say(line)


def _as_written(number: str, settings: "Settings") -> list[str]:
    """The forms that rows may have it in: the normal one, if it is a number, and what was typed: an invalid row's."""
    from campaigns.numbers import InvalidNumber, Normaliser

    try:
        return list(dict.fromkeys([Normaliser(settings.region).normalise(number), number]))
    except InvalidNumber:
        return [number]


def _wishes(store: "Store", numbers: list[str]) -> "tuple[list[Entry], list[Answer]]":
    from worker.store.inbound import replies_of
    from worker.store.suppressions import history

    with store.read() as session:
        return history(session, numbers), replies_of(session, numbers)


def _chapters(store: "Store", numbers: list[str]) -> "list[Chapter]":
    from campaigns.clock import SystemClock
    from scheduler.story_words import Chapter
    from worker.definitions import Definitions
    from worker.store.story import appearances, batches_looked_up, requests_of, rulings

    definitions = Definitions(store)
    now = SystemClock().now()
    with store.read() as session:
        rows = appearances(session, numbers)
        requests = requests_of(session, {row.batch_id for row in rows if row.batch_id is not None})
        decided = {row.recipient_id: rulings(session, row) for row in rows}
        in_doubt = {id_: batches_looked_up(session, id_) for id_ in {row.account_id for row in rows}}
    return [
        Chapter(
            row,
            tuple(requests.get(row.batch_id, ())) if row.batch_id is not None else (),
            tuple(decided[row.recipient_id]),
            definitions.get(row.definition_id).schedule,
            in_doubt[row.account_id],
            now,
        )
        for row in rows
    ]
