"""Replies: each stored once, however it came, with what it answers."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from operator import attrgetter
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from campaigns.lifecycle import RecipientState
from campaigns.optout import MOST_JUDGED, Meaning
from worker.store.bulk import in_parts, insert_missing
from worker.store.models import AcceptedBefore, Account, Attempt, Campaign, Inbound, Recipient, Run
from worker.store.tables import replies

CLOCK_MARGIN: Final = timedelta(minutes=10)
"""How far the gateway's clock, which dates replies, may be behind ours, which dates what they answer."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A reply as the gateway shows it, enough to know it again; `dated_at` None: without a date."""

    gateway_id: int
    number: str
    text: str
    dated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Incoming:
    """A reply to be stored. `number` is where its sender is written to, E.164 where it is a number at all.

    `sender` is the number that it came from. A STOP of somebody who is not known has no `reviewed_at`: a person looks.
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
    """Somebody in our plans. `rank` is higher for who was written to later; `texts` are the last, the newest first."""

    number: str
    rank: tuple[bool, datetime | None, int]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
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
        """Whether it is a stop from a number at which nobody was written to."""
        return self.meaning is Meaning.STOP and self.reviewed_at is None


def unknown_replies(session: Session, account_id: int, shown: Collection[Shown]) -> list[Shown]:
    """Those that are not stored yet. An ID alone says nothing: a gateway that was set up anew begins with 1 again.

    What has no date, or had none, is known by number and text; so is a START, for one that shows a new date, after the
    clocks of the gateway were changed, must not undo a STOP between the two.
    """
    stored: dict[int, list[sa.Row[Any]]] = defaultdict(list)
    for part in in_parts(sorted({reply.gateway_id for reply in shown})):
        query = sa.select(*(replies.c[name] for name in ("gateway_id", *_KNOWN_BY)))
        for row in session.execute(query.where(replies.c.account_id == account_id, replies.c.gateway_id.in_(part))):
            stored[row.gateway_id].append(row)
    return [reply for reply in shown if not any(_is_same(reply, row) for row in stored[reply.gateway_id])]


_KNOWN_BY: Final = ("number", "text", "received_at", "stored_at", "meaning", "fingerprint")


def _is_same(shown: Shown, row: sa.Row[Any]) -> bool:
    if row.text[:MOST_JUDGED] != shown.text or tail(row.number) != tail(shown.number):
        return False
    if shown.dated_at is None or row.meaning == Meaning.START:
        return True
    if not row.fingerprint:  # stored by an older version, with a date in the future as of its own time
        return row.received_at in {shown.dated_at, row.stored_at}
    return row.fingerprint in {fingerprint(shown), fingerprint(replace(shown, dated_at=None))}


def tail(number: str) -> str:
    """What all spellings of a phone's number end in; of a shop's name the name."""
    digits = "".join(filter(str.isdecimal, number))
    return digits[-8:] if len(digits) >= 8 else number.strip().casefold()


def fingerprint(shown: Shown) -> str:
    """What tells a reply from others with its ID, in the words of a unique index."""
    said = "\0".join((tail(shown.number), shown.text, shown.dated_at.isoformat() if shown.dated_at else ""))
    return sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]


LAST_TEXTS: Final = 3
"""So many texts of ours are looked for in a reply: people react to more than the last one."""


def people_at(session: Session, account_id: int, numbers: Collection[str]) -> dict[str, Person]:
    """Who of these numbers (E.164) is in our plans, of any account, or was sent to by a database that is lost."""
    order = col(Recipient.accepted_at).desc().nulls_last(), col(Recipient.id).desc()
    found: dict[str, Person] = {}
    for part in in_parts(sorted(numbers)):
        place = sa.func.row_number().over(partition_by=col(Recipient.number), order_by=order).label("place")
        columns = col(Recipient.number), col(Recipient.accepted_at), col(Recipient.id), col(Recipient.text), place
        is_meant = col(Recipient.number).in_(part), col(Recipient.state) != RecipientState.INVALID
        rows = sa.select(*columns).where(*is_meant).subquery()
        for number, at, id_, text, _ in session.execute(
            sa.select(rows).where(rows.c.place <= LAST_TEXTS).order_by("place")
        ):
            first = found.get(number)
            rank, texts = (first.rank, first.texts) if first else ((at is not None, at, id_), ())
            found[number] = Person(number, rank, (*texts, text))
        lost = sa.select(*(col(c) for c in (AcceptedBefore.number, AcceptedBefore.sent_at, AcceptedBefore.text)))
        is_theirs = col(AcceptedBefore.account_id) == account_id, col(AcceptedBefore.number).in_(part)
        for number, at, text in session.execute(lost.where(*is_theirs)):
            found.setdefault(number, Person(number, (at is not None, at, 0), (text,)))
    return found


def store_replies(
    session: Session, account_id: int, incoming: Collection[Incoming], *, came_by: str, now: datetime
) -> list[Answer]:
    """Store what is new of these replies, linked to what they answer; only the new, in the order of their IDs."""
    values = [
        asdict(reply) | {"account_id": account_id, "stored_at": now, "came_by": came_by}
        for reply in sorted(incoming, key=attrgetter("gateway_id"))
    ]
    if not values:
        return []
    new = sorted(session.scalars(insert_missing(session, Inbound).returning(col(Inbound.id)), values))
    if not new:
        return []
    for part in in_parts(new):
        _link(session, part)
    session.execute(
        sa.update(Account)
        .where(col(Account.id) == account_id, col(Account.received_id) < values[-1]["gateway_id"])
        .values(received_id=values[-1]["gateway_id"])
    )
    return [answer for part in in_parts(new) for answer in answers(session, col(Inbound.id).in_(part))]


def _link(session: Session, ids: Sequence[int]) -> None:
    """A reply answers the last text that its number was sent before."""
    last = (
        sa.select(col(Recipient.id))
        .join(Run, col(Run.id) == col(Recipient.run_id))
        .where(
            col(Recipient.number) == col(Inbound.number),
            col(Run.account_id) == col(Inbound.account_id),
            col(Recipient.accepted_at) <= sa.bindparam("b_until", type_=replies.c.received_at.type),
        )
        .order_by(col(Recipient.accepted_at).desc())
        .limit(1)
        .correlate(replies)
        .scalar_subquery()
    )
    of_recipient = sa.select(col(Recipient.run_id)).where(col(Recipient.id) == col(Inbound.recipient_id))
    rows = session.exec(select(Inbound.id, Inbound.received_at).where(col(Inbound.id).in_(ids))).all()
    # One statement for all: composed once for each of 5,000 replies, it took 4 s, and their caller waits 5.
    link = sa.update(replies).where(replies.c.id == sa.bindparam("b_id")).values(recipient_id=last)
    session.connection().execute(link, [{"b_id": id_, "b_until": at + CLOCK_MARGIN} for id_, at in rows])
    session.execute(
        sa.update(Inbound)
        .where(col(Inbound.id).in_(ids))
        .values(run_id=of_recipient.correlate(Inbound).scalar_subquery())
    )


_COLUMNS: Final = (
    *(replies.c[name] for name in Answer.__dataclass_fields__ if name != "campaign"),
    col(Campaign.slug).label("campaign"),
)


def answers(session: Session, *where: sa.ColumnElement[bool]) -> list[Answer]:
    """The stored replies that fit, by the order of storing."""
    query = (
        sa.select(*_COLUMNS)
        .select_from(Inbound)
        .outerjoin(Run, col(Run.id) == col(Inbound.run_id))
        .outerjoin(Campaign, col(Campaign.id) == col(Run.campaign_id))
        .where(*where)
        .order_by(col(Inbound.id))
    )
    found = (dict(row._mapping) for row in session.execute(query))
    return [Answer(**row | {"meaning": Meaning(row["meaning"])}) for row in found]


def replies_of(session: Session, numbers: Collection[str]) -> list[Answer]:
    """Everything that these numbers ever wrote."""
    return answers(session, col(Inbound.number).in_(sorted(numbers)))


def standing_wishes(session: Session, ids: Collection[int]) -> set[int]:
    """Which of these stops and starts stand, by their row ids: what the same number said after them counts.

    After is what has a later date, and a higher ID or came to us later: IDs begin anew where a gateway is set up anew,
    and a phone that was offline brings old dates. Where the two are at odds, the stop stands.
    """
    wish, other = aliased(Inbound), aliased(Inbound)

    def follows(late: type[Inbound], early: type[Inbound]) -> sa.ColumnElement[bool]:
        return sa.and_(
            col(late.received_at) >= col(early.received_at),
            sa.or_(col(late.gateway_id) > col(early.gateway_id), col(late.stored_at) > col(early.stored_at)),
        )

    def says(row: type[Inbound], meaning: Meaning) -> sa.ColumnElement[bool]:
        return col(row.meaning) == meaning.value

    undone = sa.exists().where(
        col(other.number) == col(wish.number),
        col(other.account_id) == col(wish.account_id),
        sa.or_(
            sa.and_(says(wish, Meaning.STOP), says(other, Meaning.START), follows(other, wish)),
            sa.and_(says(wish, Meaning.START), says(other, Meaning.STOP), ~follows(wish, other)),
        ),
    )
    found: set[int] = set()
    for part in in_parts(sorted(ids)):
        found.update(session.scalars(sa.select(col(wish.id)).where(col(wish.id).in_(part), ~undone)))
    return found


def count_replies(session: Session, *run_ids: int) -> dict[Meaning, int]:
    """How many replies to these runs there are, by what they mean."""
    counted = select(Inbound.meaning, sa.func.count()).where(col(Inbound.run_id).in_(run_ids))
    query = counted.group_by(col(Inbound.meaning))
    found = {Meaning(meaning): count for meaning, count in session.exec(query)}
    return {meaning: found[meaning] for meaning in Meaning if meaning in found}


def read_until(session: Session, account_id: int) -> datetime | None:
    """Up to when replies were read; None: never."""
    return session.exec(select(Account.received_until).where(Account.id == account_id)).one()


def record_read(session: Session, account_id: int, until: datetime) -> None:
    """Replies were read up to then. Never goes back: of two readers the one that saw more counts."""
    later = sa.or_(col(Account.received_until).is_(None), col(Account.received_until) < until)
    session.execute(sa.update(Account).where(col(Account.id) == account_id, later).values(received_until=until))


def has_sent(session: Session, account_id: int) -> bool:
    """Whether the account ever made a request: before that nobody can have answered."""
    query = select(Attempt.id).join(Run, col(Run.id) == col(Attempt.run_id)).where(Run.account_id == account_id)
    return session.exec(query.limit(1)).first() is not None
