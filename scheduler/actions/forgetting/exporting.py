"""`why --export`: everything that is kept about a person, for whoever asks what is known of them."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from campaigns.display import utc
from campaigns.phone_numbers.masking import mask
from scheduler.actions.reading.audit import audit_json
from scheduler.actions.reading.people import KnownPerson
from scheduler.report.opt_outs import entry_json, reply_json
from scheduler.report.story import chapter_json
from worker.store.audit import PAGE, entries_about
from worker.store.engine import Store


def write_person(stream: TextIO, store: Store | None, person: KnownPerson, zone: ZoneInfo, *, now: datetime) -> int:
    """Write one JSON object, part by part; return how many rows, replies, opt-outs and audit entries it has.

    The audit has no full number: its entries are those about the masked number that belong to these texts and opt-outs.
    """
    story = person.story
    parts: tuple[tuple[str, Iterator[Any]], ...] = (
        ("texts", (chapter_json(chapter, zone, full=True) for chapter in story.chapters)),
        ("replies", (reply_json(reply, full=True) for reply in story.replies)),
        ("opt_outs", (entry_json(entry, full=True) for entry in story.opt_outs)),
        ("audit", _audit(store, person)),
    )
    written = 0
    stream.write(f'{{"number": {json.dumps(person.number)}, "at": "{utc(now)}"')
    for name, values in parts:
        stream.write(f', "{name}": [')
        for place, value in enumerate(values):
            stream.write(("," if place else "") + "\n" + json.dumps(value, ensure_ascii=False))
            written += 1
        stream.write("]")
    stream.write("}\n")
    return written


def _audit(store: Store | None, person: KnownPerson) -> Iterator[Any]:
    if store is None:
        return
    run_ids = {chapter.row.run_id for chapter in person.story.chapters}
    moments = {at for entry in person.story.opt_outs for at in (entry.since, entry.ended_at) if at is not None}
    after, masked = 0, mask(person.number)
    while True:
        with store.look() as connection:
            found = entries_about(connection, masked, run_ids, moments, after=after)
        yield from map(audit_json, found)
        if len(found) < PAGE:
            return
        after = found[-1].id
