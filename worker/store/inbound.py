"""Replies: each stored once, however it came, with what it answers."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from campaigns.optout import Meaning
from worker.store.bulk import in_parts, insert_missing
from worker.store.models import Account, Attempt, Campaign, Inbound, Recipient, Run
from worker.store.moves import changed
from worker.store.tables import replies

CLOCK_MARGIN: Final = timedelta(minutes=10)
"""How far the gateway's clock, which dates replies, may be behind ours, which dates what they answer."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A reply as the gateway has it; `number` is E.164 where it is a number at all."""

    gateway_id: int
    number: str
    text: str
    device: int | None
    sim: int | None
    received_at: datetime
    meaning: Meaning


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
    campaign: str | None


def unknown_ids(session: Session, account_id: int, gateway_ids: Collection[int]) -> set[int]:
    """Those of the gateway's IDs under which no reply is stored yet."""
    known: set[int] = set()
    for part in in_parts(sorted(gateway_ids)):
        query = select(Inbound.gateway_id).where(Inbound.account_id == account_id, col(Inbound.gateway_id).in_(part))
        known.update(session.exec(query))
    return set(gateway_ids) - known


def store_replies(
    session: Session, account_id: int, incoming: Collection[Incoming], *, came_by: str, now: datetime
) -> list[Answer]:
    """Store what is new of these replies, linked to what they answer; only the new, in the order of their IDs."""
    values = [
        asdict(reply) | {"account_id": account_id, "stored_at": now, "came_by": came_by}
        for _, reply in sorted({reply.gateway_id: reply for reply in incoming}.items())
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
        .correlate(Inbound)
        .scalar_subquery()
    )
    of_recipient = sa.select(col(Recipient.run_id)).where(col(Recipient.id) == col(Inbound.recipient_id))
    for id_, received_at in session.exec(select(Inbound.id, Inbound.received_at).where(col(Inbound.id).in_(ids))).all():
        link = sa.update(Inbound).where(col(Inbound.id) == id_).values(recipient_id=last)
        session.execute(link, {"b_until": received_at + CLOCK_MARGIN})
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


def last_wishes(session: Session, account_id: int, numbers: Collection[str]) -> dict[str, int]:
    """By number the gateway's ID of its last STOP or START: an older one that comes late decides nothing."""
    found: dict[str, int] = {}
    for part in in_parts(sorted(numbers)):
        query = (
            select(Inbound.number, sa.func.max(Inbound.gateway_id))
            .where(
                Inbound.account_id == account_id,
                col(Inbound.number).in_(part),
                col(Inbound.meaning).in_([Meaning.STOP.value, Meaning.START.value]),
            )
            .group_by(col(Inbound.number))
        )
        found.update(session.exec(query).all())
    return found


def waiting_reviews(session: Session) -> list[Answer]:
    """Replies that a person has to read, the oldest first."""
    return answers(session, col(Inbound.meaning) == Meaning.REVIEW.value, col(Inbound.reviewed_at).is_(None))


def mark_reviewed(session: Session, ids: Collection[int], now: datetime) -> int:
    """A person has read these replies; how many of them waited for it."""
    waiting = col(Inbound.id).in_(ids), col(Inbound.meaning) == Meaning.REVIEW.value, col(Inbound.reviewed_at).is_(None)
    return changed(session, sa.update(Inbound).where(*waiting).values(reviewed_at=now))


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
