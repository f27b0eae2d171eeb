"""Erasing people: their rows stay, so that books, caps and opt-outs hold, under a hash in place of the number."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import RunType
from campaigns.lifecycle import RecipientState, RunState
from campaigns.phone_numbers.pseudonyms import ERASED_TEXT, pseudonym
from campaigns.phone_numbers.spellings import spellings_of
from campaigns.protocol.erasure import Unsettled
from campaigns.protocol.verdicts import Verdict
from worker.store.bulk import in_parts, insert_missing
from worker.store.forgetting import elsewhere
from worker.store.forgetting.people import rename_people
from worker.store.forgetting.renaming import rename, rows_of
from worker.store.forgetting.wiping import leave_traces
from worker.store.locks import lock_requests
from worker.store.models import AttemptState
from worker.store.people import erased
from worker.store.people.reviews import WAITS
from worker.store.runs.reminders import show_again, trim_batches
from worker.store.sending.doubts import WATCHED_FOR
from worker.store.tables import (
    accounts,
    attempts,
    audience_sources,
    erasures,
    message_keys,
    recipients,
    replies,
    retries,
    runs,
    unsubscriptions,
)
from worker.store.transitions import move_recipients

AT_ONCE: Final = 200
"""How many people one transaction erases: requests that are about to be made wait for it."""

REASON: Final = "the person was erased"


@dataclass(frozen=True, slots=True)
class Erased:
    """Who is no longer known (of `people` asked for, the others were not known), and who has to wait, and for what.

    `cancelled`: texts that will never be sent. `sources`: what their rows were read from; `runs`: those that have one.
    `names`: the hashes of all who do not wait, by every spelling of their numbers.
    """

    people: int
    cancelled: int
    waiting: Mapping[str, Unsettled]
    runs: frozenset[int]
    sources: frozenset[str]
    names: Mapping[str, str]


def ask(session: Session, numbers: Collection[str], *, now: datetime) -> int:
    """Note numbers (E.164) that are to be erased; return how many were not noted. Raises `PrivacyKeyProblem`."""
    erased.key_for_erasing(session, now=now)
    missing = insert_missing(session, erasures).returning(erasures.c.number)
    return len(session.scalars(missing, [{"number": number, "asked_at": now} for number in sorted(numbers)]).all())


def asked_for(session: Session, *, after: str = "", most: int = AT_ONCE) -> list[str]:
    """Return the numbers that are still to be erased, in their order, after this one."""
    query = sa.select(erasures.c.number).where(erasures.c.number > after).order_by(erasures.c.number)
    return list(session.scalars(query.limit(most)))


def count_asked_for(session: Session) -> int:
    """Return how many people are still to be erased."""
    return session.scalar(sa.select(sa.func.count()).select_from(erasures).where(erasures.c.number != "")) or 0


def erase(session: Session, numbers: Collection[str], *, now: datetime) -> Erased:
    """Erase those of these people (E.164) of whom nothing is under way; what is only planned is cancelled.

    Raises `PrivacyKeyProblem`.
    """
    key = erased.key_for_erasing(session, now=now)
    # As for an opt-out: intents before it are committed, and those after it see what it did.
    lock_requests(session, session.scalars(sa.select(accounts.c.id).order_by(accounts.c.id)).all())
    leave_traces(session, now=now)
    whose = {spelt: number for number in sorted(numbers) for spelt in spellings_of(number)}
    cancelled = _cancel(session, list(whose))
    waiting = {whose[spelt]: why for spelt, why in _unsettled(session, list(whose), now).items()}
    names = {spelt: pseudonym(key, spelt) for spelt, number in whose.items() if number not in waiting}
    rows = _rename_rows(session, names)
    known = {row.number for row in rows} | rename_people(session, names, key)
    if rows:
        _forget_requests(session, rows)
        of_runs = {row.run_id for row in rows}
        elsewhere.take_out_of_files(session, of_runs, names)
        show_again(session, of_runs)
    elsewhere.empty_calls(session, set(names))
    done = [number for number in numbers if number not in waiting]
    for part in in_parts(done):
        session.execute(sa.delete(erasures).where(erasures.c.number.in_(part)))
    return Erased(
        len({whose[spelt] for spelt in known}),
        cancelled,
        waiting,
        frozenset(row.run_id for row in rows),
        _names_of(session, {row.source_id for row in rows}),
        names,
    )


def _cancel(session: Session, numbers: Sequence[str]) -> int:
    """Never send what is only planned, or held because it was late; return how many texts that concerns."""
    cancelled = 0
    for part in in_parts(numbers):
        unsent = sa.or_(
            recipients.c.state == RecipientState.PENDING,
            sa.and_(recipients.c.state == RecipientState.HELD, recipients.c.attempts == 0),
        )
        statement = move_recipients(RecipientState.CANCELLED, recipients.c.number.in_(part), unsent, reason=REASON)
        batch_ids = list(session.scalars(statement.returning(recipients.c.batch_id)))
        cancelled += len(batch_ids)
        trim_batches(session, {id_ for id_ in batch_ids if id_ is not None})
        theirs = sa.select(recipients.c.id).where(recipients.c.number.in_(part))
        again = sa.update(retries).where(retries.c.due_at.is_not(None), retries.c.recipient_id.in_(theirs))
        session.execute(again.values(due_at=None, dropped=REASON))
    return cancelled


def _unsettled(session: Session, numbers: Sequence[str], now: datetime) -> dict[str, Unsettled]:
    """Return who cannot be erased yet, and why."""
    is_watched = sa.exists().where(
        attempts.c.batch_id == recipients.c.batch_id,
        sa.or_(
            attempts.c.state != AttemptState.CLOSED,
            sa.and_(attempts.c.outcome == Verdict.MISSED.value, attempts.c.send_by > now - WATCHED_FOR),
        ),
    )
    is_looked_at = sa.exists().where(
        retries.c.recipient_id == recipients.c.id, sa.literal_column("retry.next_look_at IS NOT NULL")
    )
    is_followed = sa.and_(
        recipients.c.state.in_([RecipientState.ACCEPTED, RecipientState.SENT]),
        recipients.c.gateway_id.is_not(None),
        runs.c.finished_at.is_(None),
    )
    why = sa.case(
        (recipients.c.state == RecipientState.IN_DOUBT, Unsettled.IN_DOUBT.value),
        (recipients.c.state == RecipientState.HELD, Unsettled.HELD.value),
        (sa.and_(runs.c.planned_at.is_(None), runs.c.state == RunState.SCHEDULED), Unsettled.PLANNING.value),
        (is_followed, Unsettled.FOLLOWED.value),
        (sa.or_(is_watched, is_looked_at), Unsettled.WATCHED.value),
        else_="",
    ).label("why")
    found: dict[str, Unsettled] = {}
    for part in in_parts(numbers):
        rows = sa.select(recipients.c.number, why).join(runs, runs.c.id == recipients.c.run_id)
        of_rows = rows.where(recipients.c.number.in_(part)).subquery()
        for number, code in session.execute(sa.select(of_rows).where(of_rows.c.why != "").distinct()):
            found.setdefault(number, Unsettled(code))
        waiting = sa.select(replies.c.number).where(replies.c.number.in_(part), *WAITS)
        found.update(dict.fromkeys(session.scalars(waiting), Unsettled.REPLY))
        listed = unsubscriptions.c.number.in_(part), unsubscriptions.c.done_at.is_(None)
        found.update(
            dict.fromkeys(session.scalars(sa.select(unsubscriptions.c.number).where(*listed)), Unsettled.CONTACT_LIST)
        )
    return found


def _rename_rows(session: Session, names: Mapping[str, str]) -> list[sa.Row[Any]]:
    """Put hashes in place of the numbers of rows, and nothing in place of their texts; return them as they were."""
    columns = (recipients.c[name] for name in ("id", "number", "run_id", "batch_id", "source_id"))
    found = rows_of(session, names, recipients.c.number, *columns)
    kept = sa.case((recipients.c.text == "", ""), else_=ERASED_TEXT)
    rename(session, recipients, ((row.id, names[row.number]) for row in found), text=kept)
    return found


def _forget_requests(session: Session, rows: Sequence[Any]) -> None:
    """Forget the digests by which somebody could find out whether a text that they guess was among these."""
    for part in in_parts(sorted({row.batch_id for row in rows if row.batch_id is not None})):
        session.execute(sa.update(attempts).where(attempts.c.batch_id.in_(part)).values(payload_hash=""))
    single = sa.select(runs.c.id).where(
        runs.c.id.in_(sorted({row.run_id for row in rows})), runs.c.type == RunType.MESSAGE
    )
    asked = set(session.scalars(single))
    for part in in_parts([row.id for row in rows if row.run_id in asked]):
        forget = sa.update(message_keys).where(message_keys.c.recipient_id.in_(part))
        session.execute(forget.values(request_digest=""))


def _names_of(session: Session, source_ids: Collection[int]) -> frozenset[str]:
    found: set[str] = set()
    for part in in_parts(sorted(source_ids)):
        found.update(session.scalars(sa.select(audience_sources.c.name).where(audience_sources.c.id.in_(part))))
    return frozenset(found)
