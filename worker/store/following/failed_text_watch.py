"""Failed messages whose text was sent again: a second look at them, and what it means if they were sent after all."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import RecipientState
from worker.store.bulk import in_parts
from worker.store.tables import groups, recipients, retries, runs
from worker.store.transitions import move_recipients


@dataclass(frozen=True, slots=True)
class Watched:
    """A failed message to check again, because its text was sent a second time at `began_at`."""

    id: int
    run_id: int
    gateway_id: int
    began_at: datetime
    looks: int


_DUE_LOOKS: Final = (
    sa.select(retries.c.id, retries.c.run_id, retries.c.gateway_id, retries.c.began_at, retries.c.looks)
    .join(runs, runs.c.id == retries.c.run_id)
    .where(
        runs.c.account_id == sa.bindparam("b_account"),
        sa.literal_column("retry.next_look_at IS NOT NULL"),
        retries.c.next_look_at <= sa.bindparam("b_now"),
    )
    .order_by(retries.c.next_look_at)
    .limit(sa.bindparam("b_most", type_=sa.Integer))
)


def due_looks(session: Session, account_id: int, *, now: datetime, most: int) -> list[Watched]:
    """Return the failed messages whose next look is due."""
    found = session.connection().execute(_DUE_LOOKS, {"b_account": account_id, "b_now": now, "b_most": most})
    return [Watched(*row) for row in found]


def schedule_look(session: Session, watched: Watched, at: datetime | None) -> None:
    """Check it again at `at`; None: never."""
    session.execute(
        sa.update(retries).where(retries.c.id == watched.id).values(next_look_at=at, looks=watched.looks + 1)
    )


@dataclass(frozen=True, slots=True)
class Doubled:
    """A text that had been proven not sent, was sent again, and turned out to have been sent the first time as well."""

    run_id: int
    recipient_id: int
    batch_id: int
    gateway_id: int


_OF_THE_FIRST: Final = ("batch_id", "gateway_id", "device", "sim")


def _take_back(session: Session, whose: sa.ColumnElement[bool], *, now: datetime) -> None:
    """Stop resending to the people of these messages who are not in a request yet: their text was sent."""
    unsent = sa.exists().where(recipients.c.id == retries.c.recipient_id, recipients.c.state == RecipientState.PENDING)
    query = sa.select(retries.c.id, retries.c.recipient_id).where(whose, unsent)
    waiting = {entry: person for entry, person in session.execute(query)}  # noqa: C416 - dict() takes no rows, by mypy
    if not waiting:
        return
    other = recipients.alias()
    elsewhere = sa.exists().where(other.c.number == recipients.c.number, other.c.state == RecipientState.IN_DOUBT)
    # Through `in_doubt`, like everything else: a person whom a request takes now is either not found here, or not by
    # it.
    people = recipients.c.id.in_(sorted(waiting.values()))
    held = move_recipients(RecipientState.IN_DOUBT, people, recipients.c.state == RecipientState.PENDING, ~elsewhere)
    back = set(session.scalars(held.returning(recipients.c.id)))
    if not back:
        return
    entry = (retries.c.recipient_id == recipients.c.id, retries.c.id.in_(sorted(waiting)))
    values = {name: sa.select(retries.c[name]).where(*entry).scalar_subquery() for name in _OF_THE_FIRST}
    mine = recipients.c.id.in_(sorted(back))
    group = sa.select(sa.func.min(groups.c.id)).where(
        groups.c.run_id == recipients.c.run_id, groups.c.batch_id == retries.c.batch_id, *entry
    )
    values["message_group_id"] = group.scalar_subquery()
    session.execute(move_recipients(RecipientState.ACCEPTED, mine, accepted_at=now, **values))
    session.execute(
        move_recipients(RecipientState.SENT, mine, sent_at=now, reason="sent after all, and not sent again")
    )
    taken = sorted(id_ for id_, person in waiting.items() if person in back)
    requests = sa.select(retries.c.batch_id).where(retries.c.id.in_(taken))
    # Their receipts come with the group that they were in at first, which was followed to its end.
    session.execute(sa.update(groups).where(groups.c.batch_id.in_(requests)).values(next_poll_at=now))
    session.execute(
        sa.update(retries)
        .where(retries.c.id.in_(taken))
        .values(began_at=None, next_look_at=None, dropped="the first message was sent after all")
    )


def record_sent_after_all(
    session: Session, account_id: int, gateway_ids: Collection[int], *, now: datetime
) -> list[Doubled]:
    """Record that these messages were sent: return the people who got the text twice; stop resending to the others."""
    if session.execute(sa.select(retries.c.id).where(retries.c.began_at.is_not(None)).limit(1)).first() is None:
        return []
    found: list[Doubled] = []
    mine = sa.select(runs.c.id).where(runs.c.account_id == account_id)
    for part in in_parts(sorted(gateway_ids)):
        sent_again = sa.and_(
            retries.c.gateway_id.in_(part),
            retries.c.run_id.in_(mine),
            retries.c.began_at.is_not(None),
            retries.c.doubled_at.is_(None),
        )
        _take_back(session, sent_again, now=now)
        unsent = sa.exists().where(
            recipients.c.id == retries.c.recipient_id, recipients.c.state == RecipientState.PENDING
        )
        late = (
            sa.update(retries)
            .where(sent_again, ~unsent)
            .values(doubled_at=now, next_look_at=None)
            .returning(retries.c.run_id, retries.c.recipient_id, retries.c.batch_id, retries.c.gateway_id)
        )
        found += [Doubled(*row) for row in session.execute(late)]
    return found
