"""Frequency caps in the database: people who recently had enough texts of a kind get none, or get it later.

People over a cap are taken out of the batch in a transaction of its own, before a slot is taken. The intent asks again
once its people are in doubt (`is_passed`): from then on no other request can have them, and whatever another one sent
them until then can be seen. So two campaigns that want the same person at the same moment do not both find room.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import WAITING, PausedBy, WaitsFor
from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.planning.frequency_cap import Cap, EarlierText
from worker.store.bulk import in_parts
from worker.store.column_types import AsUnixTime
from worker.store.people import erased
from worker.store.people.batches_left import lower_totals
from worker.store.sending.batch_splits import branch_off
from worker.store.statements import rows_given
from worker.store.tables import accounts, attempts, batches, campaigns, recipients, runs
from worker.store.transitions import move_batch, move_recipients

ALL_CAPPED: Final = "everybody in it is over the frequency cap"

_had = recipients.alias("had")
_last_tried_at = AsUnixTime(sa.func.max(attempts.c.send_by))
_tried_at = sa.select(_last_tried_at).where(attempts.c.batch_id == _had.c.batch_id).scalar_subquery()
_had_at = sa.case(
    # Nobody knows when, or whether, it was sent: at the latest when its last request could be written.
    (sa.or_(_had.c.state == RecipientState.HELD, _had.c.accepted_at.is_(None)), _tried_at),
    else_=_had.c.accepted_at,
)
_HAS: Final = (
    RecipientState.ACCEPTED,
    RecipientState.SENT,
    RecipientState.DELIVERED,
    RecipientState.EXPIRED,
    RecipientState.HELD,
)
"""People who have a text, or may have it or get it yet. A text that a phone reported as failed was not sent."""

_counts = sa.and_(
    _had.c.state.in_(_HAS),
    _had.c.attempts > 0,  # people who are held without one only missed their moment
    runs.c.kind == sa.bindparam("b_kind"),
    runs.c.account_id == sa.bindparam("b_account"),
    _had_at > sa.bindparam("b_since", type_=recipients.c.accepted_at.type),
)
_place = sa.func.row_number().over(partition_by=recipients.c.id, order_by=[_had_at.desc(), _had.c.id])


def _newest(*are_theirs: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """The newest texts of everybody in a batch, as many as the cap allows: a person who has that many is over it."""
    texts = (
        sa.select(recipients.c.id, campaigns.c.slug, _had_at.label("at"), _place.label("place"))
        .where(*are_theirs, runs.c.id == _had.c.run_id, campaigns.c.id == runs.c.campaign_id, _counts)
        .where(recipients.c.batch_id == sa.bindparam("b_batch"), recipients.c.state == RecipientState.PENDING)
        .subquery()
    )
    return (
        sa.select(texts.c.id, texts.c.slug, texts.c.at)
        .where(texts.c.place <= sa.bindparam("b_messages"))
        .order_by(texts.c.id, texts.c.place)
    )


def _count_over(state: RecipientState, *are_theirs: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Count how many of a batch in this state are over the cap: less work than saying why."""
    over = (
        sa.select(recipients.c.id)
        .where(*are_theirs, runs.c.id == _had.c.run_id, _counts)
        .where(recipients.c.batch_id == sa.bindparam("b_batch"), recipients.c.state == state)
        .group_by(recipients.c.id)
        .having(sa.func.count() >= sa.bindparam("b_messages"))
    )
    return sa.select(sa.func.count()).select_from(over.subquery())


@dataclass(frozen=True, slots=True)
class _Looks:
    """The three looks at the texts that people had."""

    newest: sa.Select[Any]
    waiting: sa.Select[Any]
    promised: sa.Select[Any]


def _looks(*are_theirs: sa.ColumnElement[bool]) -> _Looks:
    over = (_count_over(state, *are_theirs) for state in (RecipientState.PENDING, RecipientState.IN_DOUBT))
    return _Looks(_newest(*are_theirs), *over)


_SIMPLE: Final = _looks(_had.c.number == recipients.c.number)
_WITH_ERASED: Final = {
    dialect: _looks(recipients.c.id == given["id"], _had.c.number == given["name"])
    for dialect, given in rows_given({"id": sa.BigInteger(), "name": sa.Text()}).items()
}
"""The same for people who may have been erased: `b_rows` has each with the number, and with the hash of it."""


def _looks_for(session: Session, batch_id: int | None, state: RecipientState) -> tuple[_Looks, dict[str, Any]]:
    """Return how to look at the texts of people in a batch, and the values that it takes besides.

    Without a key it is one statement less: this process has erased nobody.
    """
    if not erased.has_key(session):
        return _SIMPLE, {}
    mine = sa.select(recipients.c.number, recipients.c.id)
    ids = dict(session.execute(mine.where(recipients.c.batch_id == batch_id, recipients.c.state == state)).all())
    hashed = erased.hashes(session, ids)
    if not hashed:
        return _SIMPLE, {}
    names = [*((id_, number) for number, id_ in ids.items()), *((ids[number], name) for name, number in hashed.items())]
    return _WITH_ERASED[session.connection().dialect.name], {"b_rows": json.dumps(names)}


_MAY_GO: Final = (
    sa.select(batches.c.latest)
    .join(runs, runs.c.id == batches.c.run_id)
    .join(accounts, accounts.c.id == runs.c.account_id)
    .where(
        batches.c.id == sa.bindparam("b_batch"),
        batches.c.state.in_([BatchState.PLANNED, BatchState.QUEUED]),
        runs.c.state == RunState.RUNNING,
        accounts.c.paused_by == PausedBy.NOBODY,
    )
    .with_for_update(of=batches)
)


def _by_row(row: Mapping[str, sa.ColumnElement[Any]]) -> tuple[sa.Update, sa.Update]:
    mine = (recipients.c.id == row["id"], recipients.c.state == RecipientState.PENDING)
    return (
        move_recipients(RecipientState.CAPPED, *mine, reason=row["reason"]),
        sa.update(recipients).where(*mine).values(reason=row["reason"]),
    )


_TELL: Final = {
    dialect: _by_row(row) for dialect, row in rows_given({"id": sa.BigInteger(), "reason": sa.Text()}).items()
}
"""Everybody who gets none, or gets it later, each with their own reason, in one statement."""


@dataclass(frozen=True, slots=True)
class _Over:
    """A person over the cap, and why. `until` None: they get nothing."""

    id: int
    reason: str
    until: datetime | None


def any_over(session: Session, batch_id: int, account_id: int, cap: Cap, *, now: datetime) -> bool:
    """Return whether somebody in the batch is over the cap now: a look that decides nothing."""
    looks, names = _looks_for(session, batch_id, RecipientState.PENDING)
    values = _asked(batch_id, account_id, cap, now) | names
    found: int = session.connection().execute(looks.waiting, values).scalar_one()
    return found > 0


def is_passed(session: Session, batch_id: int, account_id: int, cap: Cap, *, now: datetime) -> bool:
    """Return whether somebody in a request being promised has meanwhile got as many texts as the cap allows."""
    looks, names = _looks_for(session, batch_id, RecipientState.IN_DOUBT)
    values = _asked(batch_id, account_id, cap, now) | names
    found: int = session.connection().execute(looks.promised, values).scalar_one()
    return found > 0


def _asked(batch_id: int | None, account_id: int, cap: Cap, now: datetime) -> dict[str, Any]:
    return {
        "b_batch": batch_id,
        "b_account": account_id,
        "b_kind": cap.kind,
        "b_messages": cap.messages,
        "b_since": cap.since(now),
    }


def keep_cap(session: Session, batch_id: int, account_id: int, cap: Cap, *, now: datetime) -> bool:
    """Take everybody over the cap out of the batch; return False if nobody is left who may be sent to now.

    They are `capped`, or moved to a batch that waits until they may be sent to.
    """
    connection = session.connection()
    batch = connection.execute(_MAY_GO, {"b_batch": batch_id}).first()
    if batch is None:
        return True  # taken by another process, or stopped: the one that promises a request finds that out
    over = _over(session, batch_id, account_id, cap, latest=batch.latest, now=now)
    if not over:
        return True
    capped, told = _TELL[connection.dialect.name]
    waiting: dict[datetime, list[int]] = defaultdict(list)
    for person in over:
        if person.until is not None:
            waiting[person.until].append(person.id)
    for statement, people in (
        (capped, [(p.id, p.reason) for p in over if p.until is None]),
        (told, [(p.id, f"{WAITING[WaitsFor.CAP]}: {p.reason}") for p in over if p.until is not None]),
    ):
        if people:
            connection.execute(statement, {"b_rows": json.dumps(people)})
    lower_totals(session, batches.c.id == batch_id)
    return _part(session, batch_id, waiting)


def _over(
    session: Session, batch_id: int, account_id: int, cap: Cap, *, latest: datetime | None, now: datetime
) -> list[_Over]:
    earlier: dict[int, list[EarlierText]] = defaultdict(list)
    looks, names = _looks_for(session, batch_id, RecipientState.PENDING)
    for id_, campaign, at in session.connection().execute(looks.newest, _asked(batch_id, account_id, cap, now) | names):
        earlier[id_].append(EarlierText(campaign, at))
    found = []
    for id_, texts in earlier.items():
        if len(texts) < cap.messages:
            continue
        until = cap.free_at(texts) if cap.is_patient else None
        if until is not None and latest is not None and until > latest:
            until = None
        found.append(_Over(id_, cap.words(texts), until))
    return found


def _part(session: Session, batch_id: int, waiting: Mapping[datetime, Sequence[int]]) -> bool:
    """Put people who wait into batches of their own, one per moment; return False if this one has nobody else."""
    pending = (recipients.c.batch_id == batch_id, recipients.c.state == RecipientState.PENDING)
    left: int = session.execute(sa.select(sa.func.count()).select_from(recipients).where(*pending)).scalar_one()
    groups = sorted(waiting.items())
    is_anybody_left = left > sum(map(len, waiting.values()))
    if not is_anybody_left and groups:
        until, _ = groups.pop(0)  # the first of them keep the batch
        mine = batches.c.id == batch_id
        session.execute(move_batch(BatchState.PLANNED, mine, batches.c.state == BatchState.QUEUED, queued_at=None))
        session.execute(sa.update(batches).where(mine).values(not_before=until, waits_for=WaitsFor.CAP, reason=""))
    elif not is_anybody_left:
        session.execute(move_batch(BatchState.CANCELLED, batches.c.id == batch_id, reason=ALL_CAPPED))
    for until, people in groups:
        branch_off(session, batch_id, people, until=until, waits_for=WaitsFor.CAP)
    return is_anybody_left


_FULL: Final = (
    sa.select(_had.c.number, sa.func.count())
    .join(runs, runs.c.id == _had.c.run_id)
    .where(
        _had.c.number.in_(sa.bindparam("b_numbers", expanding=True)),
        sa.or_(
            _counts,
            sa.and_(
                _had.c.state == RecipientState.IN_DOUBT,
                runs.c.kind == sa.bindparam("b_kind"),
                runs.c.account_id == sa.bindparam("b_account"),
            ),
        ),
    )
    .group_by(_had.c.number)
)


def count_over(session: Session, numbers: Sequence[str], account_id: int, cap: Cap, *, now: datetime) -> int:
    """Return how many of these numbers (E.164) are over the cap now; texts in doubt count."""
    values = _asked(None, account_id, cap, now)
    hashed = erased.hashes(session, numbers)
    texts = Counter[str]()
    for part in in_parts([*numbers, *hashed]):
        for number, amount in session.connection().execute(_FULL, {**values, "b_numbers": list(part)}):
            texts[hashed.get(number, number)] += amount
    return sum(amount >= cap.messages for amount in texts.values())
