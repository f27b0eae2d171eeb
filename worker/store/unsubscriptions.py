"""Taking whoever opted out off the contact lists that the gateway keeps: asked for once, tried until it is done."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from campaigns.counting import amount
from campaigns.numbers import mask
from worker.store.bulk import in_parts, insert_missing
from worker.store.events import EventName, record_event
from worker.store.models import Batch, Event, Run, Suppression, Unsubscription
from worker.store.moves import changed

TRIES: Final = 8
"""After so many tries that failed (over some ten minutes) a send to the list is held, and a person has to look."""


@dataclass(frozen=True, slots=True)
class Task:
    """A number to be taken off a list of the gateway; `tries` failed before."""

    id: int
    list_id: int
    number: str
    tries: int


@dataclass(frozen=True, slots=True)
class Outstanding:
    """What a send to a contact list waits for: so many people to be taken off it, `stuck` of them failed too often."""

    list_id: int
    people: int
    stuck: int
    problem: str

    def __str__(self) -> str:
        who = amount(self.people, "person", "people")
        return (
            f"{who} who opted out cannot be taken off contact list {self.list_id} ({self.problem}); take them off it "
            "at the gateway, then let the campaign go: campaigns resolve CAMPAIGN --as not-sent"
        )


def ask(session: Session, numbers: Collection[str], *, now: datetime) -> None:
    """Have numbers taken off every contact list that a campaign went, or is to go, to."""
    lists = session.exec(
        select(Run.account_id, Batch.list_id)
        .join(Run, col(Run.id) == col(Batch.run_id))
        .where(col(Batch.list_id).is_not(None))
        .distinct()
    ).all()
    for account_id, list_id in lists:
        _ask(session, account_id, list_id or 0, numbers, now)


def _ask(session: Session, account_id: int, list_id: int, numbers: Collection[str], now: datetime) -> None:
    missing = insert_missing(session, Unsubscription)
    for part in in_parts(sorted(numbers)):
        again = sa.update(Unsubscription).where(
            col(Unsubscription.account_id) == account_id,
            col(Unsubscription.list_id) == list_id,
            col(Unsubscription.number).in_(part),
            col(Unsubscription.done_at).is_not(None),  # they may have been put on it again since
        )
        session.execute(again.values(done_at=None, asked_at=now, next_try_at=now, tries=0, problem=""))
        rows = [
            {
                "account_id": account_id,
                "list_id": list_id,
                "number": number,
                "asked_at": now,
                "next_try_at": now,
                "tries": 0,
                "problem": "",
            }
            for number in part
        ]
        session.execute(missing, rows)


def outstanding(session: Session, run_id: int, account_id: int, list_id: int, *, now: datetime) -> Outstanding | None:
    """What is to be done before a run may go to the list, and asks for it; None: nothing.

    A number that opted out again after it was taken off the list is taken off it again.
    """
    kind = session.exec(select(Run.kind).where(Run.id == run_id)).one()
    listed = col(Suppression.ended_at).is_(None), col(Suppression.kind).in_(["", kind])
    mine = col(Unsubscription.account_id) == account_id, col(Unsubscription.list_id) == list_id
    of_number = *mine, col(Unsubscription.number) == col(Suppression.number)
    done = sa.exists().where(*of_number, col(Unsubscription.done_at) >= col(Suppression.since))
    asked = sa.exists().where(*of_number, col(Unsubscription.done_at).is_(None))
    wanted = session.scalars(sa.select(col(Suppression.number)).where(*listed, ~done, ~asked).distinct()).all()
    if wanted:
        _ask(session, account_id, list_id, wanted, now)
    waits_for = sa.exists().where(*listed, col(Suppression.number) == col(Unsubscription.number))
    people, stuck, problem = session.execute(
        sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(sa.case((col(Unsubscription.tries) >= TRIES, 1), else_=0)), 0),
            sa.func.coalesce(sa.func.max(col(Unsubscription.problem)), ""),
        ).where(*mine, col(Unsubscription.done_at).is_(None), waits_for)
    ).one()
    return Outstanding(list_id, people, stuck, problem) if people else None


def due(session: Session, account_id: int, now: datetime, *, limit: int) -> list[Task]:
    """Numbers to be taken off a list now, the longest waiting first."""
    query = (
        select(Unsubscription.id, Unsubscription.list_id, Unsubscription.number, Unsubscription.tries)
        .where(
            Unsubscription.account_id == account_id,
            col(Unsubscription.done_at).is_(None),
            col(Unsubscription.next_try_at) <= now,
        )
        .order_by(col(Unsubscription.next_try_at))
        .limit(limit)
    )
    return [Task(*row) for row in session.exec(query)]


def record_done(session: Session, task_id: int, now: datetime) -> None:
    """The gateway sends this number nothing more that goes to the list."""
    done = sa.update(Unsubscription).where(col(Unsubscription.id) == task_id)
    session.execute(done.values(done_at=now, problem=""))


def record_failed(session: Session, task_id: int, problem: str, *, next_try_at: datetime) -> bool:
    """The gateway did not take it: again then."""
    failed = sa.update(Unsubscription).where(col(Unsubscription.id) == task_id)
    return bool(
        changed(session, failed.values(tries=Unsubscription.tries + 1, problem=problem, next_try_at=next_try_at))
    )


def note_reached(session: Session, run_id: int, numbers: Collection[str], *, now: datetime) -> set[str]:
    """Which of the people whom a contact list brought had opted out; noted as an event, for `status` to tell."""
    kind = session.exec(select(Run.kind).where(Run.id == run_id)).one()
    reached: set[str] = set()
    for part in in_parts(sorted(numbers)):
        query = select(Suppression.number).where(
            col(Suppression.number).in_(part),
            col(Suppression.ended_at).is_(None),
            col(Suppression.kind).in_(["", kind]),
        )
        reached.update(session.exec(query))
    if reached:
        detail = {"people": len(reached), "numbers": [mask(number) for number in sorted(reached)[:20]]}
        record_event(session, EventName.OPT_OUT_REACHED, now, run_id=run_id, detail=detail)
    return reached


def reached_all_the_same(session: Session, run_id: int) -> int:
    """How many people who had opted out a run reached through a contact list."""
    query = select(Event.detail).where(Event.run_id == run_id, Event.name == EventName.OPT_OUT_REACHED)
    return sum(int(detail["people"]) for detail in session.exec(query))
