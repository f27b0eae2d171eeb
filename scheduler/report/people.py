"""What is known about people over all campaigns, read for one of them or for many at once."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from campaigns.definition import Schedule
from worker.definitions import Definitions
from worker.store.bulk import in_parts
from worker.store.engine import Store
from worker.store.people.stored_replies import Reply, replies_of
from worker.store.people.suppressions import Entry, history
from worker.store.reports.person import (
    Appearance,
    FailedTry,
    Request,
    Ruling,
    answers_on_the_way,
    appearances,
    batches_looked_up,
    failed_tries,
    requests_of,
    rulings,
)


@dataclass(frozen=True, slots=True)
class Chapter:
    """One row of one campaign, with everything its state depends on. `now` is when it was read.

    `requests` are those of its batch, and of the batches of its `failed` messages that were sent again;
    `batches_in_doubt` those of the account; `replies` answer this text.
    """

    row: Appearance
    requests: tuple[Request, ...]
    rulings: tuple[Ruling, ...]
    schedule: Schedule
    batches_in_doubt: int
    now: datetime
    failed: tuple[FailedTry, ...] = ()
    replies: tuple[Reply, ...] = ()
    again: tuple[int, ...] = ()  # the resends of this person's failed text
    answered_at: tuple[datetime, ...] = ()  # when they answered while this step was on its way


@dataclass(frozen=True, slots=True)
class Story:
    """Everything known about a person: campaigns, the newest first; what they wrote; what they opted out of."""

    chapters: tuple[Chapter, ...]
    replies: tuple[Reply, ...]
    opt_outs: tuple[Entry, ...]


NO_STORY: Final = Story((), (), ())

NUMBERS_AT_ONCE: Final = 5_000
"""Below the 32,766 parameters that SQLite accepts."""


def tell(store: Store, numbers: Collection[str], *, now: datetime) -> Story:
    """Return one person's story, the newest campaign first. `numbers`: all spellings of the number in rows."""
    told = tell_all(store, numbers, now=now)
    return Story(
        tuple(
            sorted((c for story in told.values() for c in story.chapters), key=lambda c: (-c.row.run_id, c.row.line))
        ),
        tuple(reply for story in told.values() for reply in story.replies),
        tuple(entry for story in told.values() for entry in story.opt_outs),
    )


def tell_all(store: Store, numbers: Collection[str], *, now: datetime) -> dict[str, Story]:
    """Return the story of everybody about whom something is known, by number as rows have it."""
    definitions = Definitions(store)
    told: dict[str, Story] = {}
    for part in in_parts(sorted(set(numbers)), NUMBERS_AT_ONCE):
        told |= _tell(store, definitions, part, now)
    return told


def _tell(store: Store, definitions: Definitions, numbers: Collection[str], now: datetime) -> dict[str, Story]:
    rows: dict[str, list[Appearance]] = defaultdict(list)
    replies: dict[str, list[Reply]] = defaultdict(list)
    opt_outs: dict[str, list[Entry]] = defaultdict(list)
    with store.read() as session:
        found = appearances(session, numbers)
        for row in found:
            rows[row.number].append(row)
        for reply in replies_of(session, numbers):
            replies[reply.number].append(reply)
        for entry in history(session, numbers):
            opt_outs[entry.number].append(entry)
        tries = failed_tries(session, {row.recipient_id for row in found})
        batch_ids = {row.batch_id for row in found if row.batch_id is not None}
        requests = requests_of(session, batch_ids | {t.batch_id for failed in tries.values() for t in failed})
        decided = rulings(session, found)
        answered = answers_on_the_way(session, found)
        in_doubt = {id_: batches_looked_up(session, id_) for id_ in {row.account_id for row in found}}
    definitions.prepare({row.definition_id for row in found})

    def chapter(row: Appearance) -> Chapter:
        failed = tries.get(row.recipient_id, [])
        batches = dict.fromkeys([t.batch_id for t in failed] + ([row.batch_id] if row.batch_id is not None else []))
        return Chapter(
            row,
            tuple(request for batch_id in batches for request in requests.get(batch_id, ())),
            tuple(decided.get(row.recipient_id, ())),
            definitions.get(row.definition_id).schedule,
            in_doubt[row.account_id],
            now,
            tuple(failed),
            tuple(reply for reply in replies[row.number] if reply.recipient_id == row.recipient_id),
            tuple(sorted(o.run_id for o in rows[row.number] if o.parent_id == row.run_id and o.slot == row.slot)),
            tuple(answered.get(row.recipient_id, ())),
        )

    return {
        number: Story(tuple(map(chapter, rows[number])), tuple(replies[number]), tuple(opt_outs[number]))
        for number in sorted(rows.keys() | replies.keys() | opt_outs.keys())
    }
