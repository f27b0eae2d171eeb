"""Opt-outs and replies in words for people, as JSON, and as a table that can be read back."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TextIO
from zoneinfo import ZoneInfo

from campaigns.display import shown_time, utc
from campaigns.optout import Meaning
from scheduler.report.rows import csv_writer, harmless_cell
from scheduler.report.shown.seeing import words_for
from scheduler.report.shown.shapes import ListedOptOut, OptOut, ReplyShape
from worker.store.people.stored_replies import Reply
from worker.store.people.suppressions import Entry

MEANINGS: Final[Mapping[Meaning, str]] = {
    Meaning.STOP: "asked not to be texted any more",
    Meaning.START: "asked to get texts again",
    Meaning.HELP: "asked for help",
    Meaning.REVIEW: "perhaps asked not to be texted any more; a person has to read it",
    Meaning.REPLY: "wrote something",
}


COLUMNS: Final = ("number", "kind", "since", "source", "reason")
"""The columns of the list as a table."""


def opt_out_lines(
    entries: Sequence[Entry], replies: Sequence[Reply], zone: ZoneInfo, *, is_in_doubt: bool
) -> Iterator[str]:
    """Yield what is known about one person's wishes, a line each; `is_in_doubt`: a text to them may be on its way."""
    for reply in replies:
        what = MEANINGS[reply.meaning]
        if reply.meaning is Meaning.REVIEW:
            what += ": campaigns suppress review" if reply.reviewed_at is None else "; somebody has"
        to = f", in answer to {reply.campaign}" if reply.campaign else ""
        yield f"reply: {what}, {shown_time(reply.received_at, zone, seconds=True)}{to}"
    for entry in entries:
        since = shown_time(entry.since, zone, seconds=True)
        until = f" until {shown_time(entry.ended_at, zone, seconds=True)}" if entry.ended_at else ""
        kind = f" of kind {entry.kind}" if entry.kind else ""
        why = f", {entry.reason}" if entry.reason else ""
        yield f"opted out: gets nothing{kind} since {since}{until} ({entry.source}{why})"
    if is_in_doubt and any(entry.ended_at is None for entry in entries):
        yield "a request from before that is in doubt: this text may still arrive, and is not sent again"


def entry_json(entry: Entry, *, full: bool) -> OptOut:
    """Return an entry of the list, without its number; the reason, which may quote a reply, only if `full`."""
    return {
        "kind": entry.kind or None,
        "since": utc(entry.since),
        "ended_at": utc(entry.ended_at),
        "source": entry.source,
        "reason": words_for(entry.reason, full=full),
    }


def listed_json(entry: Entry, *, number: str, full: bool) -> ListedOptOut:
    """Return an entry in force, with its number as it may be shown; the reason only if `full`."""
    return {
        "number": number,
        "kind": entry.kind or None,
        "since": utc(entry.since),
        "source": entry.source,
        "reason": words_for(entry.reason, full=full),
    }


def reply_json(reply: Reply, *, full: bool) -> ReplyShape:
    """Return a reply, without its number; the text only if `full`."""
    return {
        "meaning": reply.meaning.value,
        "text": words_for(reply.text, full=full),
        "received_at": utc(reply.received_at),
        "stored_at": utc(reply.stored_at),
        "came_by": reply.came_by,
        "campaign": reply.campaign,
        "run": reply.run_id,
    }


def counted(replies: Mapping[Meaning, int]) -> str:
    """Return how many replies a run has, in words; empty if none."""
    if not replies:
        return ""
    total = sum(replies.values())
    parts = [
        f"{replies[meaning]:,} {words}"
        for meaning, words in (
            (Meaning.STOP, "opted out"),
            (Meaning.START, "came back"),
            (Meaning.HELP, "asked for help"),
            (Meaning.REVIEW, "perhaps a stop"),
        )
        if meaning in replies
    ]
    return f"{total:,}" + (f": {', '.join(parts)}" if parts else "")


def write_list(stream: TextIO, entries: Iterable[Entry], *, as_json: bool) -> int:
    """Write every entry, as JSON lines or as CSV with a header; return how many. Open the stream with `newline=""`."""
    writer = csv_writer(stream)
    if not as_json:
        writer.writerow(COLUMNS)
    count = 0
    for entry in entries:
        count += 1
        cells = (entry.number, entry.kind, utc(entry.since), entry.source, entry.reason)
        if as_json:
            stream.write(json.dumps(dict(zip(COLUMNS, cells, strict=True)), ensure_ascii=False) + "\n")
        else:
            writer.writerow(map(harmless_cell, cells))
    return count
