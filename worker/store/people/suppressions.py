"""Numbers that get nothing: one list for the whole installation. Ended entries stay, as the person's history."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import OPTED_OUT
from campaigns.lifecycle import RecipientState
from campaigns.phone_numbers.spellings import spellings_of
from worker.store.bulk import in_parts, insert_missing
from worker.store.locks import lock_requests
from worker.store.people import erased, run_answers, unsubscriptions
from worker.store.people.batches_left import end_emptied
from worker.store.tables import accounts, recipients, runs, suppressions
from worker.store.transitions import move_recipients

REPLY: Final = "reply"
"""The source of a suppression that the person asked for in a reply: the only one that a reply (START) can end."""

EVERYBODY_LEFT: Final = "everybody in it has opted out"

_in_force = suppressions.c.ended_at.is_(None)


@dataclass(frozen=True, slots=True)
class Entry:
    """A number (E.164) and the kind of campaign from which it gets nothing; empty: any kind."""

    number: str
    kind: str
    reason: str
    source: str
    since: datetime
    ended_at: datetime | None = None


def suppress(session: Session, entries: Collection[Entry], *, now: datetime) -> int:
    """Put numbers on the list, take them out of all plans, and have them taken off the gateway's contact lists.

    Returns how many were not on it. Only an entry for any kind goes to the gateway's lists, which know no kinds.

    From the commit on no intent is made for them, not even by a transaction that was under way: on PostgreSQL an intent
    holds a share of its account's lock, which this waits for, and reads the list only once it has it.
    """
    if not entries:
        return 0
    lock_requests(session, session.scalars(sa.select(accounts.c.id).order_by(accounts.c.id)).all())
    rows = [
        {"number": e.number, "kind": e.kind, "reason": e.reason, "source": e.source, "since": e.since}
        for e in sorted(entries, key=lambda e: (e.number, e.kind))
    ]
    added = session.scalars(insert_missing(session, suppressions).returning(suppressions.c.id), rows).all()
    run_answers.note_opt_outs(session, added)
    for kind in {e.kind for e in entries}:
        numbers = sorted({e.number for e in entries if e.kind == kind})
        _take_out(session, numbers, kind)
        if not kind:
            unsubscriptions.ask(session, numbers, now=now)
    return len(added)


def _take_out(session: Session, numbers: Sequence[str], kind: str) -> None:
    """Suppress pending recipients with these numbers, today's and tomorrow's; end empty batches."""
    for part in in_parts(numbers):
        pending = [recipients.c.number.in_(part), recipients.c.state == RecipientState.PENDING]
        if kind:
            pending.append(recipients.c.run_id.in_(sa.select(runs.c.id).where(runs.c.kind == kind)))
        statement = move_recipients(RecipientState.SUPPRESSED, *pending, reason=OPTED_OUT)
        end_emptied(session, session.scalars(statement.returning(recipients.c.batch_id)), EVERYBODY_LEFT)


def release(
    session: Session, numbers: Collection[str], *, now: datetime, kind: str | None = None, source: str | None = None
) -> set[str]:
    """Take numbers off the list, where `kind` and `source` match (None: any); return those that were on it.

    People who were suppressed in a campaign stay so there: only later plans include the number again.
    """
    ended: set[str] = set()
    hashed = erased.known_hashes(session, numbers)
    for part in in_parts(sorted({*numbers, *hashed})):
        where: list[sa.ColumnElement[bool]] = [suppressions.c.number.in_(part), _in_force]
        if kind is not None:
            where.append(suppressions.c.kind == kind)
        if source is not None:
            where.append(suppressions.c.source == source)
        statement = sa.update(suppressions).where(*where).values(ended_at=now)
        ended.update(
            hashed.get(number, number) for number in session.scalars(statement.returning(suppressions.c.number))
        )
    return ended


def any_in_force(session: Session) -> bool:
    """Return whether there is anybody on the list."""
    return session.scalars(sa.select(suppressions.c.id).where(_in_force).limit(1)).first() is not None


def suppressed_among(session: Session, numbers: Sequence[str], kind: str) -> set[str]:
    """Return which of these numbers get nothing from campaigns of this kind, whichever spelling is on the list.

    Raises `PrivacyKeyProblem` if people were erased who could not be recognised.
    """
    asked: dict[str, list[str]] = defaultdict(list)
    for number in numbers:
        for spelt in spellings_of(number):
            asked[spelt].append(number)
    asked.update({hashed: asked[spelt] for hashed, spelt in erased.hashes(session, asked).items()})
    found: set[str] = set()
    for part in in_parts(list(asked)):
        query = sa.select(suppressions.c.number).where(
            suppressions.c.number.in_(part), _in_force, suppressions.c.kind.in_(["", kind])
        )
        found.update(number for spelt in session.scalars(query) for number in asked[spelt])
    return found


def keep_out_erased(session: Session, numbers: Sequence[str]) -> None:
    """Take people out of plans who opted out and were erased, perhaps since their plan began.

    Called in the transaction that stores them. Raises `PrivacyKeyProblem`.
    """
    planned = {spelt: number for number in numbers for spelt in spellings_of(number)}
    hashed = erased.hashes(session, planned)
    found: dict[str, set[str]] = defaultdict(set)
    for part in in_parts(sorted(hashed)):
        query = sa.select(suppressions.c.number, suppressions.c.kind).where(suppressions.c.number.in_(part), _in_force)
        for name, kind in session.execute(query):
            found[kind].add(planned[hashed[name]])
    for kind, opted_out in found.items():
        _take_out(session, sorted(opted_out), kind)


_COLUMNS: Final = (
    suppressions.c.number,
    suppressions.c.kind,
    suppressions.c.reason,
    suppressions.c.source,
    suppressions.c.since,
    suppressions.c.ended_at,
)


def in_force(session: Session, *, kind: str | None = None) -> Iterator[Entry]:
    """Yield the list, the oldest entry first, some thousands in memory at a time."""
    query = sa.select(*_COLUMNS).where(_in_force).order_by(suppressions.c.since, suppressions.c.id)
    if kind is not None:
        query = query.where(suppressions.c.kind == kind)
    for row in session.execute(query.execution_options(yield_per=5_000)):
        yield Entry(*row)


def history(session: Session, numbers: Collection[str]) -> list[Entry]:
    """Return every entry there ever was for these numbers, the oldest first; also of people who were erased."""
    hashed = erased.hashes(session, numbers)
    query = sa.select(*_COLUMNS).where(suppressions.c.number.in_(sorted({*numbers, *hashed})))
    found = session.execute(query.order_by(suppressions.c.since, suppressions.c.id))
    return [Entry(hashed.get(number, number), *rest) for number, *rest in found]
