"""Replies: each stored once, however it arrived, with the text that it answers."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import NEVER_LEFT, RecipientState
from campaigns.optout import Meaning
from campaigns.phone_numbers.pseudonyms import ERASED_TEXT
from worker.store.bulk import in_parts, insert_missing
from worker.store.people import erased, run_answers, step_conditions
from worker.store.tables import accepted_before, accounts, attempts, campaigns, recipients, replies, runs

CLOCK_MARGIN: Final = timedelta(minutes=10)
"""How far the gateway's clock, which dates replies, may be behind ours, which dates the texts they answer."""

HEARD: Final = timedelta(minutes=10)
"""What is sent so long after replies were read needs no look of its own: who reads them writes that down every five
minutes."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A reply to store. `number` is where its sender can be reached, in E.164 if it is a number at all.

    `sender` is the number that it came from. A STOP from an unknown sender has no `reviewed_at`: a person must look.
    """

    gateway_id: int
    number: str
    text: str
    device: int | None
    sim: int | None
    received_at: datetime
    meaning: Meaning
    sender: str = ""
    fingerprint: str = ""
    reviewed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in our plans. A later text gives a higher `rank`; `texts` are the last ones, the newest first."""

    number: str
    rank: tuple[bool, datetime | None, int]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """A stored reply, with the campaign that it answers; None: nothing was sent to this number before."""

    id: int
    account_id: int
    gateway_id: int
    number: str
    text: str
    device: int | None
    sim: int | None
    received_at: datetime
    stored_at: datetime
    came_by: str
    meaning: Meaning
    reviewed_at: datetime | None
    run_id: int | None
    recipient_id: int | None
    sender: str
    campaign: str | None

    @property
    def is_of_nobody(self) -> bool:
        """Return whether it is a stop from a number to which nothing was sent."""
        return self.meaning is Meaning.STOP and self.reviewed_at is None


LAST_TEXTS: Final = 3
"""How many of our texts are looked for in a reply: people react to more than the last one."""


def people_at(session: Session, account_id: int, numbers: Collection[str]) -> dict[str, Person]:
    """Return who of these numbers (E.164) is in our plans, for any account, or was sent to by a lost database.

    Whoever was erased is found, too: what they write is not from somebody unknown.
    """
    order = recipients.c.accepted_at.desc().nulls_last(), recipients.c.id.desc()
    found: dict[str, Person] = {}
    hashed = erased.known_hashes(session, numbers)
    for part in in_parts(sorted({*numbers, *hashed})):
        place = sa.func.row_number().over(partition_by=recipients.c.number, order_by=order).label("place")
        columns = recipients.c.number, recipients.c.accepted_at, recipients.c.id, recipients.c.text, place
        is_meant = recipients.c.number.in_(part), recipients.c.state != RecipientState.INVALID
        rows = sa.select(*columns).where(*is_meant).subquery()
        for spelt, at, id_, text, _ in session.execute(
            sa.select(rows).where(rows.c.place <= LAST_TEXTS).order_by("place")
        ):
            number = hashed.get(spelt, spelt)
            first = found.get(number)
            rank, texts = (first.rank, first.texts) if first else ((at is not None, at, id_), ())
            found[number] = Person(number, rank, texts if text == ERASED_TEXT else (*texts, text))
        lost = sa.select(accepted_before.c.number, accepted_before.c.sent_at, accepted_before.c.text)
        is_theirs = accepted_before.c.account_id == account_id, accepted_before.c.number.in_(part)
        for spelt, at, text in session.execute(lost.where(*is_theirs)):
            number, texts = hashed.get(spelt, spelt), () if spelt in hashed else (text,)
            found.setdefault(number, Person(number, (at is not None, at, 0), texts))
    return found


def store_replies(
    session: Session, account_id: int, incoming: Collection[Incoming], *, came_by: str, now: datetime
) -> list[Reply]:
    """Store the new ones of these replies, linked to what they answer; return only those, in the order of their IDs."""
    values = [
        asdict(reply) | {"account_id": account_id, "stored_at": now, "came_by": came_by}
        for reply in sorted(incoming, key=attrgetter("gateway_id"))
    ]
    if not values:
        return []
    new = sorted(session.scalars(insert_missing(session, replies).returning(replies.c.id), values))
    if not new:
        return []
    for part in in_parts(new):
        _link(session, part)
    run_answers.note_replies(session, new)
    step_conditions.take_out_answering(session, account_id, new, now=now)
    session.execute(
        sa.update(accounts)
        .where(accounts.c.id == account_id, accounts.c.received_id < values[-1]["gateway_id"])
        .values(received_id=values[-1]["gateway_id"])
    )
    return [answer for part in in_parts(new) for answer in answers(session, replies.c.id.in_(part))]


def _link(session: Session, ids: Sequence[int]) -> None:
    """Link each reply to the last text sent to its number before it; to one that never left a phone, if all are such.

    Such a text was perhaps received all the same, and whoever writes HELP is answered.
    """
    # One by one: a list has parameters of its own, which no statement for many rows can have.
    never_left = sa.case(*((recipients.c.state == state, 1) for state in sorted(NEVER_LEFT)), else_=0)
    last = (
        sa.select(recipients.c.id)
        .join(runs, runs.c.id == recipients.c.run_id)
        .where(
            recipients.c.number == replies.c.number,
            runs.c.account_id == replies.c.account_id,
            recipients.c.accepted_at <= sa.bindparam("b_until", type_=recipients.c.accepted_at.type),
        )
        .order_by(never_left, recipients.c.accepted_at.desc())
        .limit(1)
        .correlate(replies)
        .scalar_subquery()
    )
    of_recipient = sa.select(recipients.c.run_id).where(recipients.c.id == replies.c.recipient_id)
    rows = session.execute(sa.select(replies.c.id, replies.c.received_at).where(replies.c.id.in_(ids))).all()
    # One statement for all: composed once for each of 5,000 replies, it took 4 s, and their caller waits 5.
    link = sa.update(replies).where(replies.c.id == sa.bindparam("b_id")).values(recipient_id=last)
    session.connection().execute(link, [{"b_id": id_, "b_until": at + CLOCK_MARGIN} for id_, at in rows])
    session.execute(
        sa.update(replies).where(replies.c.id.in_(ids)).values(run_id=of_recipient.correlate(replies).scalar_subquery())
    )


_COLUMNS: Final = (
    *(replies.c[name] for name in Reply.__dataclass_fields__ if name != "campaign"),
    campaigns.c.slug.label("campaign"),
)


def answers(session: Session, *where: sa.ColumnElement[bool]) -> list[Reply]:
    """Return the stored replies that match, in the order they were stored."""
    query = (
        sa.select(*_COLUMNS)
        .select_from(replies)
        .outerjoin(runs, runs.c.id == replies.c.run_id)
        .outerjoin(campaigns, campaigns.c.id == runs.c.campaign_id)
        .where(*where)
        .order_by(replies.c.id)
    )
    found = (dict(row._mapping) for row in session.execute(query))
    return [Reply(**row | {"meaning": Meaning(row["meaning"])}) for row in found]


def replies_of(session: Session, numbers: Collection[str]) -> list[Reply]:
    """Return everything that these numbers ever wrote."""
    return answers(session, replies.c.number.in_(sorted(numbers)))


def standing_wishes(session: Session, ids: Collection[int]) -> set[int]:
    """Return which of these stops and starts stand, by row id: what the same number said after them counts.

    "After" means a later date, and either a higher ID or a later arrival: IDs start again when a gateway is set up
    again, and a phone that was offline brings old dates. If the two disagree, the stop stands.
    """
    wish, other = replies.alias(), replies.alias()

    def follows(late: sa.FromClause, early: sa.FromClause) -> sa.ColumnElement[bool]:
        return sa.and_(
            late.c.received_at >= early.c.received_at,
            sa.or_(late.c.gateway_id > early.c.gateway_id, late.c.stored_at > early.c.stored_at),
        )

    def says(row: sa.FromClause, meaning: Meaning) -> sa.ColumnElement[bool]:
        return row.c.meaning == meaning.value

    undone = sa.exists().where(
        other.c.number == wish.c.number,
        other.c.account_id == wish.c.account_id,
        sa.or_(
            sa.and_(says(wish, Meaning.STOP), says(other, Meaning.START), follows(other, wish)),
            sa.and_(says(wish, Meaning.START), says(other, Meaning.STOP), ~follows(wish, other)),
        ),
    )
    found: set[int] = set()
    for part in in_parts(sorted(ids)):
        found.update(session.scalars(sa.select(wish.c.id).where(wish.c.id.in_(part), ~undone)))
    return found


_READ_UNTIL: Final = sa.select(accounts.c.received_until).where(accounts.c.id == sa.bindparam("b_account"))


def read_until(session: Session, account_id: int) -> datetime | None:
    """Return up to when replies were read; None: never."""
    until: datetime | None = session.connection().execute(_READ_UNTIL, {"b_account": account_id}).scalar_one()
    return until


def record_read(session: Session, account_id: int, until: datetime, *, possible: datetime | None = None) -> None:
    """Replies were read up to then. Of two readers the one that saw more counts.

    What is later than `possible` counts for nothing: it was written down before a clock was put back.
    """
    known = accounts.c.received_until
    later = sa.or_(known.is_(None), known < until, *([] if possible is None else [known > possible]))
    session.execute(sa.update(accounts).where(accounts.c.id == account_id, later).values(received_until=until))


_HAS_SENT: Final = (
    sa.select(attempts.c.id)
    .join(runs, runs.c.id == attempts.c.run_id)
    .where(runs.c.account_id == sa.bindparam("b_account"))
    .limit(1)
)


def has_sent(session: Session, account_id: int) -> bool:
    """Return whether the account ever made a request: before that nobody can have answered."""
    return session.connection().execute(_HAS_SENT, {"b_account": account_id}).first() is not None
