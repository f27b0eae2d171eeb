"""`move`: moving to another database."""

from typing import Annotated

import typer

from scheduler.actions.refusals import Refusal, Refused
from scheduler.cli.options import AsJson
from scheduler.cli.rendering.output import print_json, say


def move(
    to: Annotated[
        str | None, typer.Option("--to", metavar="URL", help="Address of the new database, which must be empty.")
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Cancel a move that has not finished.")] = False,
    json: AsJson = False,
) -> None:
    """Move everything to another database, including campaigns in flight.

    Stop the service and every worker first. From SQLite to PostgreSQL, back, or to another file. The old database
    never sends again. If it is interrupted, neither sends: run it again, or give up with --undo.
    Example: campaigns move --to postgresql+psycopg://campaigns@db.internal/campaigns
    """
    from campaigns.clock import SystemClock
    from scheduler.cli.user import this_user
    from scheduler.move import give_up
    from scheduler.move import move as carry_out
    from worker.settings.settings import load_settings

    if (to is None) is not undo:
        sentence = "name the new database with --to URL, or give an unfinished move up with --undo"
        raise Refused(Refusal.INVALID, sentence)
    clock = SystemClock()
    if to is None:
        kept = give_up(load_settings(), this_user(), clock=clock)
        if json:
            print_json({"from": kept, "given_up": True})
        else:
            say(f"the move is cancelled; campaigns are sent from {kept} again, once its service runs")
        return
    moved = carry_out(load_settings(), this_user(), to, clock=clock, told=(lambda _: None) if json else say)
    if json:
        print_json({"from": moved.source, "to": moved.target, "rows": dict(moved.rows)})
        return
    say(f"moved from {moved.source} to {moved.target}, which sends from now on; the old database never sends again")
    say("set CAMPAIGNS_DATABASE_URL to the new address everywhere, then start the service")
