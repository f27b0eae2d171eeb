"""Long lists that people read a page at a time: the suppression list, replies, news, what is held."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import BatchState, RecipientState
from campaigns.optout import Meaning
from worker.store.bulk import in_parts
from worker.store.notifications.outbox import NEWS
from worker.store.people.reviews import WAITS
from worker.store.people.stored_replies import Reply, answers
from worker.store.people.suppressions import Entry
from worker.store.reports.keyset import rows_after
from worker.store.tables import batches, campaigns, notices, recipients, replies, reply_answers, runs, suppressions

SHOWN: Final = 20
"""How many people of a held request are shown."""


def campaigns_after(session: Session, *, after: int, limit: int) -> tuple[list[int], int | None]:
    """Return the ids of campaigns that have a run, and the id to go on after."""
    has_run = sa.exists().where(runs.c.campaign_id == campaigns.c.id)
    query = sa.select(campaigns.c.id).where(has_run)
    rows, place = rows_after(session, query, campaigns.c.id, after=after, limit=limit)
    return [row[0] for row in rows], place


def suppressions_after(
    session: Session, kind: str | None, *, after: int, limit: int
) -> tuple[list[tuple[int, Entry]], int | None]:
    """Return entries in force (None: of any kind) with their ids, and the id to go on after."""
    columns = (suppressions.c[name] for name in ("id", *Entry.__dataclass_fields__))
    only = [suppressions.c.ended_at.is_(None), *(() if kind is None else (suppressions.c.kind == kind,))]
    rows, place = rows_after(session, sa.select(*columns), suppressions.c.id, only=only, after=after, limit=limit)
    return [(row[0], Entry(*tuple(row)[1:])) for row in rows], place


def replies_after(
    session: Session,
    meaning: Meaning | None,
    *,
    waiting: bool,
    run_id: int | None = None,
    answered: bool | None = None,
    newest_first: bool = False,
    after: int,
    limit: int,
) -> tuple[list[Reply], int | None]:
    """Return replies (None: of any meaning, to any run, answered or not; `waiting`: only those that a person has to
    read), and the id to go on after.
    """
    has_answer = sa.exists().where(reply_answers.c.reply_id == replies.c.id)
    only = [
        *(() if meaning is None else (replies.c.meaning == meaning.value,)),
        *(() if answered is None else (has_answer if answered else ~has_answer,)),
        *(WAITS if waiting else ()),
    ]
    query, among = sa.select(replies.c.id), [] if run_id is None else [replies.c.run_id == run_id]
    rows, place = rows_after(
        session, query, replies.c.id, among=among, only=only, after=after, limit=limit, newest_first=newest_first
    )
    ids = [row[0] for row in rows]
    found = [reply for part in in_parts(ids) for reply in answers(session, replies.c.id.in_(part))]
    return sorted(found, key=attrgetter("id"), reverse=newest_first), place


@dataclass(frozen=True, slots=True)
class News:
    """News that webhooks are told, such as `run.completed`, with the campaign of its run."""

    id: int
    at: datetime
    event: str
    run_id: int | None
    campaign: str | None
    reason: str


_SETTLED: Final[sa.ColumnElement[bool]] = sa.literal_column(
    "age(notice.xmin) > age(pg_snapshot_xmin(pg_current_snapshot())::xid)"
)
"""No transaction that began earlier is still under way. Without this, PostgreSQL may show a row and later one with a
lower id, which whoever goes on after the first would never see. SQLite has one writer at a time."""


def news_after(database: sa.Connection, *, after: int, limit: int) -> list[News]:
    """Return the next news."""
    columns = (notices.c.id, notices.c.created_at, notices.c.event, notices.c.run_id, campaigns.c.slug, notices.c.body)
    where = [notices.c.id > after, notices.c.channel == NEWS]
    if database.dialect.name == "postgresql":
        where.append(_SETTLED)
    query = (
        sa.select(*columns)
        .select_from(notices)
        .outerjoin(runs, runs.c.id == notices.c.run_id)
        .outerjoin(campaigns, campaigns.c.id == runs.c.campaign_id)
        .where(*where)
        .order_by(notices.c.id)
        .limit(limit)
    )
    found = database.execute(query).all()
    return [News(id_, at, event, run_id, slug, body.get("reason", "")) for id_, at, event, run_id, slug, body in found]


def last_news(database: sa.Connection) -> int:
    """Return the id of the newest news that `news_after` shows; 0 if there is none."""
    where = [notices.c.channel == NEWS]
    if database.dialect.name == "postgresql":  # who goes on after a later one would miss what is under way
        where.append(_SETTLED)
    query = sa.select(notices.c.id).where(*where).order_by(notices.c.id.desc()).limit(1)
    return database.scalar(query) or 0


@dataclass(frozen=True, slots=True)
class HeldBatch:
    """A request that a person has to decide on: how many people it is for, and the first of their numbers.

    `due_at`: when it was to be sent at the earliest.
    """

    id: int
    campaign: str
    run_id: int
    list_id: int | None
    reason: str
    people: int
    numbers: tuple[str, ...]
    due_at: datetime | None = None


def held_after(session: Session, *, after: int, limit: int) -> tuple[list[HeldBatch], int | None]:
    """Return held requests of all campaigns, and the id to go on after."""
    columns = (
        batches.c.id,
        campaigns.c.slug,
        batches.c.run_id,
        batches.c.list_id,
        batches.c.reason,
        batches.c.not_before,
    )
    query = (
        sa.select(*columns)
        .join(runs, runs.c.id == batches.c.run_id)
        .join(campaigns, campaigns.c.id == runs.c.campaign_id)
    )
    rows, place = rows_after(session, query.where(*_held()), batches.c.id, after=after, limit=limit)
    people = _held_people(session, [row[0] for row in rows])
    found = []
    for row in rows:
        id_, campaign, run_id, list_id, reason, due_at = tuple(row)
        numbers = people.get(id_, [])
        found.append(HeldBatch(id_, campaign, run_id, list_id, reason, len(numbers), tuple(numbers[:SHOWN]), due_at))
    return found, place


def _held() -> tuple[sa.ColumnElement[bool], ...]:
    is_held = batches.c.state == BatchState.HELD
    # By run there is an index on the state, and without it every batch there ever was would be looked at.
    of_runs = sa.select(runs.c.id).where(sa.exists().where(batches.c.run_id == runs.c.id, is_held).correlate(runs))
    return is_held, batches.c.run_id.in_(of_runs)


def how_many_held(session: Session, *, most: int) -> int:
    """Return how many requests are held; it does not look for more than `most`."""
    return len(session.scalars(sa.select(batches.c.id).where(*_held()).limit(most)).all())


def _held_people(session: Session, batch_ids: Collection[int]) -> dict[int, list[str]]:
    """Return the numbers of those who are held, by batch: some hundreds at most in each."""
    found: dict[int, list[str]] = defaultdict(list)
    for part in in_parts(list(batch_ids)):
        query = sa.select(recipients.c.batch_id, recipients.c.number).where(
            recipients.c.batch_id.in_(part), recipients.c.state == RecipientState.HELD
        )
        for batch_id, number in session.execute(query.order_by(recipients.c.id)):
            found[batch_id].append(number)
    return found
