"""`reply`: what people wrote, and answers to it."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from campaigns.display import shown_time, state_words
from scheduler.cli.options import AsJson
from scheduler.cli.rendering.output import print_json, print_table, say

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from scheduler.actions.reading.pages import Page
    from scheduler.actions.reading.replies import Conversation, ListedReply

SHOWN: Final = 20
"""How many replies are listed: the last ones."""


def reply(
    id_: Annotated[int | None, typer.Argument(metavar="ID", min=1, help="The number of a reply.")] = None,
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="The answer, as it is sent.")] = None,
    seen: Annotated[
        int, typer.Option(metavar="N", min=0, help="Answer again, after a look at the N answers there are.")
    ] = 0,
    json: AsJson = False,
) -> None:
    """List replies without an answer; with ID show what was written around one; with TEXT answer it.

    The answer is one text from the phone that got the reply. Whoever opted out gets none. If somebody has answered
    already, nothing is sent. `campaigns up` sends it. Texts are shown. Example: campaigns reply 12 "We open at nine."
    """
    from scheduler.actions.opening import campaign_store
    from scheduler.actions.reading.replies import read_conversation, read_replies
    from scheduler.actions.texts.shown import answered_json, conversation_json, written_json
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    settings = load_settings()
    if id_ is not None and text is not None:
        from scheduler.processes.handing_in import answer

        done = answer(settings, this_user(), id_, text, seen=seen)
        if json:
            print_json(answered_json(done))
        else:
            say(f"reply {id_} is answered by message {done.message.id}; it is sent by `campaigns up`")
        return
    with campaign_store(settings) as store:
        if id_ is not None:
            seen_now = read_conversation(store, id_)
            if json:
                print_json(conversation_json(seen_now, full=True))
            else:
                _show(seen_now, settings.zone)
            return
        page = read_replies(store, answered=False, newest_first=True, after=0, limit=SHOWN)
    if json:
        print_json({"items": [written_json(row, full=True) for row in page.rows], "next": page.next})
    else:
        _list(page, settings.zone)


def _list(page: "Page[ListedReply]", zone: "ZoneInfo") -> None:
    if not page.rows:
        say("no reply waits for an answer")
        return
    rows = [
        (
            str(row.reply.id),
            shown_time(row.reply.received_at, zone),
            row.reply.campaign or "",
            state_words(row.reply.meaning.value),
            row.reply.text,
        )
        for row in page.rows
    ]
    print_table(("id", "received", "campaign", "meaning", "text"), rows, numeric=("id",))
    say("\nlook at one with: campaigns reply ID")


def _show(seen: "Conversation", zone: "ZoneInfo") -> None:
    for line in seen.lines:
        when = shown_time(line.at, zone) if line.at else "not sent yet"
        who = f"reply {line.reply.id}" if line.reply else f"we{f' ({line.by})' if line.by else ''}"
        say(f"{when}  {who}, {line.campaign or 'no campaign'}, {state_words(line.state)}:")
        say(f"  {line.text}")
    say("")
    for answer in seen.answers:
        say(f"{answer.by} answered reply {seen.reply.id} on {shown_time(answer.at, zone)}")
    if seen.problem:
        say(seen.problem)
    else:
        again = f" --seen {len(seen.answers)}" if seen.answers else ""
        say(f'answer with: campaigns reply {seen.reply.id} "TEXT"{again}')
