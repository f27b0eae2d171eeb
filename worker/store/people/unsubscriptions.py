"""Taking people who opted out off the gateway's contact lists: asked for once, tried until it is done."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.counting import amount
from campaigns.phone_numbers.masking import mask
from worker.store.bulk import in_parts, insert_missing
from worker.store.events import EventName, record_event
from worker.store.people import erased
from worker.store.tables import batches, events, runs, suppressions, unsubscriptions
from worker.store.transitions import changed

TRIES: Final = 8
"""After this many failed tries (over about ten minutes) a send to the list is held, and a person must look."""


@dataclass(frozen=True, slots=True)
class Task:
    """A number to take off a list of the gateway; `tries` have failed."""

    id: int
    list_id: int
    number: str
    tries: int


@dataclass(frozen=True, slots=True)
class Outstanding:
    """What a send to a contact list waits for: `people` to take off it, `stuck` of whom failed too often."""

    list_id: int
    people: int
    stuck: int
    problem: str

    def __str__(self) -> str:
        who = amount(self.people, "person", "people")
        return (
            f"{who} who opted out cannot be taken off contact list {self.list_id} ({self.problem}); take them off it "
            "at the gateway, then release the campaign: campaigns resolve CAMPAIGN --as not-sent"
        )


def ask(session: Session, numbers: Collection[str], *, now: datetime) -> None:
    """Have numbers taken off every contact list that a campaign went to, or will go to."""
    lists = session.execute(
        sa.select(runs.c.account_id, batches.c.list_id)
        .join(runs, runs.c.id == batches.c.run_id)
        .where(batches.c.list_id.is_not(None))
        .distinct()
    ).all()
    for account_id, list_id in lists:
        _ask(session, account_id, list_id or 0, numbers, now)


def _ask(session: Session, account_id: int, list_id: int, numbers: Collection[str], now: datetime) -> None:
    missing = insert_missing(session, unsubscriptions)
    for part in in_parts(sorted(numbers)):
        again = sa.update(unsubscriptions).where(
            unsubscriptions.c.account_id == account_id,
            unsubscriptions.c.list_id == list_id,
            unsubscriptions.c.number.in_(part),
            unsubscriptions.c.done_at.is_not(None),  # they may have been put on it again since
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
    """Return what must be done before a run may go to the list, and ask for it; None if nothing must.

    A number that opted out again after it was taken off the list is taken off it again. Who was erased has no number
    that could be taken off a list.
    """
    kind = session.scalars(sa.select(runs.c.kind).where(runs.c.id == run_id)).one()
    listed = (
        suppressions.c.ended_at.is_(None),
        suppressions.c.kind.in_(["", kind]),
        suppressions.c.number.startswith("+"),
    )
    mine = unsubscriptions.c.account_id == account_id, unsubscriptions.c.list_id == list_id
    of_number = *mine, unsubscriptions.c.number == suppressions.c.number
    done = sa.exists().where(*of_number, unsubscriptions.c.done_at >= suppressions.c.since)
    asked = sa.exists().where(*of_number, unsubscriptions.c.done_at.is_(None))
    wanted = session.scalars(sa.select(suppressions.c.number).where(*listed, ~done, ~asked).distinct()).all()
    if wanted:
        _ask(session, account_id, list_id, wanted, now)
    waits_for = sa.exists().where(*listed, suppressions.c.number == unsubscriptions.c.number)
    people, stuck, problem = session.execute(
        sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(sa.case((unsubscriptions.c.tries >= TRIES, 1), else_=0)), 0),
            sa.func.coalesce(sa.func.max(unsubscriptions.c.problem), ""),
        ).where(*mine, unsubscriptions.c.done_at.is_(None), waits_for)
    ).one()
    return Outstanding(list_id, people, stuck, problem) if people else None


_DUE: Final = (
    sa.select(unsubscriptions.c.id, unsubscriptions.c.list_id, unsubscriptions.c.number, unsubscriptions.c.tries)
    .where(
        unsubscriptions.c.account_id == sa.bindparam("b_account"),
        unsubscriptions.c.done_at.is_(None),
        unsubscriptions.c.next_try_at <= sa.bindparam("b_now"),
    )
    .order_by(unsubscriptions.c.next_try_at)
    .limit(sa.bindparam("b_most", type_=sa.Integer))
)


def due(session: Session, account_id: int, now: datetime, *, limit: int) -> list[Task]:
    """Return the numbers to take off a list now, the longest waiting first."""
    found = session.connection().execute(_DUE, {"b_account": account_id, "b_now": now, "b_most": limit})
    return [Task(*row) for row in found]


def record_done(session: Session, task_id: int, now: datetime) -> None:
    """Record that the gateway no longer sends this number anything that goes to the list."""
    done = sa.update(unsubscriptions).where(unsubscriptions.c.id == task_id)
    session.execute(done.values(done_at=now, problem=""))


def record_failed(session: Session, task_id: int, problem: str, *, next_try_at: datetime) -> bool:
    """Record that the gateway did not accept it: it is tried again at `next_try_at`."""
    failed = sa.update(unsubscriptions).where(unsubscriptions.c.id == task_id)
    return bool(
        changed(session, failed.values(tries=unsubscriptions.c.tries + 1, problem=problem, next_try_at=next_try_at))
    )


def note_reached(session: Session, run_id: int, numbers: Collection[str], *, now: datetime) -> set[str]:
    """Return which people of a contact list had opted out; they are noted as an event, for `status` to report."""
    kind = session.scalars(sa.select(runs.c.kind).where(runs.c.id == run_id)).one()
    reached: set[str] = set()
    hashed = erased.known_hashes(session, numbers)
    for part in in_parts(sorted({*numbers, *hashed})):
        query = sa.select(suppressions.c.number).where(
            suppressions.c.number.in_(part),
            suppressions.c.ended_at.is_(None),
            suppressions.c.kind.in_(["", kind]),
        )
        reached.update(hashed.get(number, number) for number in session.scalars(query))
    if reached:
        detail = {"people": len(reached), "numbers": [mask(number) for number in sorted(reached)[:20]]}
        record_event(session, EventName.OPT_OUT_REACHED, now, run_id=run_id, detail=detail)
    return reached


def reached_all_the_same(session: Session, run_ids: Collection[int]) -> Counter[int]:
    """Return how many people who had opted out each run reached through a contact list."""
    found: Counter[int] = Counter()
    # A hundred runs without a list have tens of thousands of events. Not DISTINCT: for that, SQLite takes the index by
    # run, and looks at every batch.
    with_lists = session.scalars(sa.select(batches.c.run_id).where(batches.c.list_id.is_not(None)))
    for part in in_parts(sorted(set(run_ids).intersection(with_lists))):
        of_runs = events.c.run_id.in_(part), events.c.name == EventName.OPT_OUT_REACHED
        for run_id, detail in session.execute(sa.select(events.c.run_id, events.c.detail).where(*of_runs)):
            found[run_id] += int(detail["people"])
    return found
