"""Messages that the gateway has and this database does not know: people planned with such a text already have it.

`recover` keeps them. Each is given to the first recipient with its number and text, and then deleted here: the
recipient has its gateway ID. Every intent asks (`worker.store.sending.intent`), whoever made the plan, and whenever.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import RunType, moment_of, root_fires_at
from campaigns.definition.schedule import LocalTime, Schedule
from campaigns.lifecycle import BatchState, RecipientState
from campaigns.protocol.matching import as_words, is_similar, same_number
from worker.store.bulk import in_parts, insert_missing
from worker.store.events import EventName, record_event
from worker.store.following.groups import add_groups
from worker.store.people import erased
from worker.store.tables import accepted_before, batches, recipients, runs
from worker.store.transitions import move_batch, move_recipients

LONGEST_NUMBER: Final = 32
"""The length of a column of numbers. Anything longer is nobody's number, cut or not."""

REASON: Final = "found at the gateway by `campaigns recover`"
"""The reason of people who count as sent because of such a message."""

CLOCKS_APART: Final = timedelta(minutes=10)
"""How far the gateway's clock may be from ours, as in every search for a message."""

ZONES_APART: Final = timedelta(hours=14)
"""How far the first zone on earth is ahead of UTC: a run begins there before its moment."""


@dataclass(frozen=True, slots=True)
class Before:
    """A message that was accepted before. `sent_at` is the gateway's date; None if it gave none."""

    gateway_id: int
    number: str
    text: str
    group_id: str | None
    device: int | None
    sim: int | None
    sent_at: datetime | None

    def is_of(self, text: str, since: datetime | None) -> bool:
        """Return whether it can be this text, which was not sent before `since` (None: unknown)."""
        is_in_time = since is None or self.sent_at is None or self.sent_at >= since
        return is_in_time and is_similar(self.text, text)


@dataclass(frozen=True, slots=True)
class UnsentRecipient:
    """A recipient whose text has not been sent, as far as the database knows."""

    id: int
    run_id: int
    batch_id: int
    number: str
    text: str


def spelt(number: str) -> str:
    """Return a number of the gateway in the spelling of recipients."""
    return f"+{same_number(number)}"[:LONGEST_NUMBER]


def sent_since(schedule: Schedule, type: RunType, moment: str, departs_at: datetime) -> datetime | None:
    """Return from when on a text of a run can have been sent; None: sent once, and the run may predate its plan.

    Campaigns that repeat or remind may send one text again and again: what was sent for an earlier moment does not
    replace a later one. `departs_at` is the moment of the batch; for a late one, that is the moment of its
    planning.
    """
    fires_at = root_fires_at(moment) if type is RunType.STEP else None  # a step is as old as the run it belongs to
    if type in {RunType.ONCE, RunType.RESEND} or (type is RunType.STEP and fires_at is None):
        return None
    if type is RunType.FIRING:
        fires_at = moment_of(moment)
    if fires_at is not None:
        ahead = ZONES_APART if schedule.local_time is LocalTime.RECIPIENT else timedelta(0)
        return fires_at - ahead - CLOCKS_APART
    late = schedule.if_late.within if schedule.if_late else timedelta(0)
    return departs_at - late - CLOCKS_APART


def keep(session: Session, account_id: int, messages: Iterable[Before]) -> int:
    """Keep messages for people who are planned with their number and text; return how many were new."""
    rows = [
        {
            "account_id": account_id,
            "gateway_id": each.gateway_id,
            "number": spelt(each.number),
            "text": each.text,
            "group_id": each.group_id,
            "device": each.device,
            "sim": each.sim,
            "sent_at": each.sent_at,
        }
        for each in messages
    ]
    kept = 0
    for part in in_parts(rows):
        statement = insert_missing(session, accepted_before).returning(accepted_before.c.id)
        kept += len(session.execute(statement, list(part)).all())
    return kept


def recall(session: Session, texts: Mapping[str, str]) -> None:
    """Give the messages of people who were erased their number and text again, if they are planned with both (`texts`).

    Otherwise whoever was sent a text by a lost database, and then erased, would get it twice. A text to which the
    gateway had added something is not recognised. Raises `PrivacyKeyProblem`.
    """
    hashed = erased.hashes(session, texts)
    for part in in_parts(sorted(hashed)):
        query = sa.select(accepted_before.c.id, accepted_before.c.number, accepted_before.c.text)
        for id_, name, mark in session.execute(query.where(accepted_before.c.number.in_(part))).all():
            number = hashed[name]
            if mark in erased.hashes(session, [as_words(texts[number])]):
                mine = sa.update(accepted_before).where(accepted_before.c.id == id_)
                session.execute(mine.values(number=number, text=texts[number]))


def kept_ids(session: Session, account_id: int, gateway_ids: Collection[int]) -> set[int]:
    """Return those of the gateway IDs that are already kept."""
    found: set[int] = set()
    for part in in_parts(sorted(gateway_ids)):
        query = sa.select(accepted_before.c.gateway_id).where(
            accepted_before.c.account_id == account_id, accepted_before.c.gateway_id.in_(part)
        )
        found.update(session.scalars(query))
    return found


def count_kept(session: Session, account_id: int) -> int:
    """Return how many messages are kept."""
    query = sa.select(sa.func.count()).select_from(accepted_before).where(accepted_before.c.account_id == account_id)
    return session.scalars(query).one()


def settle_batch(
    session: Session, batch_id: int, account_id: int, since: datetime | None, *, now: datetime, first_poll_at: datetime
) -> int:
    """Accept people who wait in the batch and already have the text; return how many.

    A number that is in doubt elsewhere is left out: it comes back. Raises `sqlalchemy.exc.IntegrityError` if that
    happens at this moment.
    """
    other = recipients.alias("other")
    in_doubt = sa.select(other.c.number).where(other.c.state == RecipientState.IN_DOUBT)
    query = sa.select(
        recipients.c.id, recipients.c.run_id, recipients.c.batch_id, recipients.c.number, recipients.c.text
    ).where(
        recipients.c.batch_id == batch_id,
        recipients.c.state == RecipientState.PENDING,
        recipients.c.number.not_in(in_doubt),
    )
    people = [UnsentRecipient(*row) for row in session.execute(query.order_by(recipients.c.id))]
    kept = _kept_for(session, account_id, {person.number for person in people})
    found = []
    for person in people:
        waiting = kept.get(person.number, [])
        message = next((each for each in waiting if each.is_of(person.text, since)), None)
        if message is not None:
            waiting.remove(message)
            found.append((person, message))
    if not found:
        return 0
    accepted = accept(session, found, now=now, first_poll_at=first_poll_at)
    _use_up(session, account_id, [message.gateway_id for person, message in found if person.id in accepted])
    return len(accepted)


def accept(
    session: Session, found: Sequence[tuple[UnsentRecipient, Before]], *, now: datetime, first_poll_at: datetime
) -> set[int]:
    """Accept these, which the gateway has, and follow them from `first_poll_at` on; return the ids that could move.

    Raises `sqlalchemy.exc.IntegrityError` for a number that is in doubt elsewhere.
    """
    by_batch: dict[tuple[int, int], list[tuple[int, str, datetime]]] = defaultdict(list)
    accepted = set()
    for person, message in found:
        # The gateway's own date: reads for receipts and for known messages go by it.
        at = min(message.sent_at or now, now)
        # Through `in_doubt`, like everything else: the number's lock is taken and released within this transaction.
        session.execute(move_recipients(RecipientState.IN_DOUBT, recipients.c.id == person.id))
        statement = move_recipients(
            RecipientState.ACCEPTED,
            recipients.c.id == person.id,
            gateway_id=message.gateway_id,
            device=message.device,
            sim=message.sim,
            accepted_at=at,
            gateway_retries=0,
            is_superseded=False,
            reason=REASON,
        )
        if session.execute(statement.returning(recipients.c.id)).first() is None:
            continue
        accepted.add(person.id)
        by_batch[person.run_id, person.batch_id].append((person.id, message.group_id or "", at))
    for (run_id, batch_id), people in by_batch.items():
        names, since = [name for _, name, _ in people], min(at for *_, at in people)
        for name, row in add_groups(session, run_id, batch_id, names, now=since, first_poll_at=first_poll_at).items():
            in_group = recipients.c.id.in_([id_ for id_, of_group, _ in people if of_group == name])
            session.execute(sa.update(recipients).where(in_group).values(message_group_id=row))
        # From here on its plan is fixed, though it made no request.
        detail = {"recipients": len(people)}
        record_event(session, EventName.RUN_ACCEPTED_BEFORE, now, run_id=run_id, batch_id=batch_id, detail=detail)
    return accepted


def settle_waiting(
    session: Session, batch_id: int, account_id: int, since: datetime | None, *, now: datetime, first_poll_at: datetime
) -> int:
    """Do `settle_batch` for a batch that waits for its slot: the batch ends if nobody is left in it.

    This comes before a slot is taken, because a rate gives none back: people sent to before would be counted off at a
    crawl.
    """
    mine = (batches.c.id == batch_id, batches.c.state.in_([BatchState.PLANNED, BatchState.QUEUED]))
    waits = sa.select(batches.c.id).join(runs, runs.c.id == batches.c.run_id).where(*mine)
    if session.execute(waits.with_for_update(of=batches)).first() is None:
        return 0
    settled = settle_batch(session, batch_id, account_id, since, now=now, first_poll_at=first_poll_at)
    pending = sa.exists().where(recipients.c.batch_id == batch_id, recipients.c.state == RecipientState.PENDING)
    if settled and not session.scalar(sa.select(pending)):
        session.execute(move_batch(BatchState.SENDING, *mine))
        session.execute(move_batch(BatchState.ACCEPTED, batches.c.id == batch_id, reason=REASON))
    return settled


def hold_list(session: Session, batch_id: int, account_id: int, text: str, since: datetime | None) -> int:
    """Hold a request to a contact list if the gateway already has its text; return how many such messages there are.

    Who is on the list is not known here. A person decides once: these messages are used up.
    """
    query = sa.select(*_COLUMNS).where(accepted_before.c.account_id == account_id)
    alike = [
        message.gateway_id
        for row in session.execute(query.execution_options(yield_per=1_000))
        if (message := Before(*row)).is_of(text, since)
    ]
    if alike:
        _use_up(session, account_id, alike)
        found = f"the gateway has {len(alike):,} messages with this text that `campaigns recover` found"
        reason = f"{found}; are any of them this one?"
        session.execute(move_batch(BatchState.HELD, batches.c.id == batch_id, reason=reason))
    return len(alike)


_COLUMNS: Final = (
    accepted_before.c.gateway_id,
    accepted_before.c.number,
    accepted_before.c.text,
    accepted_before.c.group_id,
    accepted_before.c.device,
    accepted_before.c.sim,
    accepted_before.c.sent_at,
)


def _kept_for(session: Session, account_id: int, numbers: Collection[str]) -> dict[str, list[Before]]:
    """Return what is kept for these numbers, the oldest first, locked until the transaction ends."""
    kept: dict[str, list[Before]] = defaultdict(list)
    for part in in_parts(sorted(numbers)):
        query = sa.select(*_COLUMNS).where(
            accepted_before.c.account_id == account_id, accepted_before.c.number.in_(part)
        )
        for row in session.execute(query.order_by(accepted_before.c.gateway_id).with_for_update()):
            kept[row.number].append(Before(*row))
    return kept


def _use_up(session: Session, account_id: int, gateway_ids: Sequence[int]) -> None:
    for part in in_parts(gateway_ids):
        mine = accepted_before.c.account_id == account_id, accepted_before.c.gateway_id.in_(part)
        session.execute(sa.delete(accepted_before).where(*mine))
