"""Budgets of people: how many different people each phone texted in a month."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.phone_numbers.pseudonyms import is_pseudonym
from scheduler.verify.checks import Breach, Check, Reckoning
from scheduler.verify.facts import NOT_SENT, Rules, RunFacts
from scheduler.verify.pages import by_time, of_values
from worker.store.tables import attempts, recipients, runs

NEVER: Final = frozenset({NOT_SENT, "missed"})
"""Outcomes of requests of which nothing was stored at the gateway."""

SOME: Final = 200
"""Requests whose people are looked at together."""


def judge_people(session: Session, mine: Sequence[RunFacts], rules: Rules, reckoning: Reckoning) -> None:
    """Count the people of each phone in every month in which these runs (of one account) sent.

    Only as many as may be are in memory, for each phone. Who is only counted twice because of being erased is not.
    """
    if rules.people_monthly is None:
        return
    ids = [run.id for run in mine]
    ends = sa.select(sa.func.min(attempts.c.started_at), sa.func.max(attempts.c.started_at))
    first, last = session.execute(ends.where(attempts.c.run_id.in_(ids))).one()
    if first is None:
        return
    for starts_at, ends_at in _months(first, last, ZoneInfo(rules.zone)):
        found: dict[str, set[str]] = defaultdict(set)
        own: set[str] = set()
        told: set[str] = set()
        for device, run_id, numbers in _texted(session, mine[0].account_id, starts_at, ends_at):
            reckoning.examined(Check.PEOPLE, len(numbers) if run_id in ids else 0)
            if run_id in ids:
                own.add(device)
            if _least(found[device]) <= rules.people_monthly:
                found[device].update(numbers)
            if _least(found[device]) > rules.people_monthly and device in own and device not in told:
                told.add(device)
                month = starts_at.astimezone(ZoneInfo(rules.zone)).date().isoformat()
                reckoning.wrong(Breach.OVER_PEOPLE, run=run_id, device=device, limit=rules.people_monthly, at=month)


def _least(numbers: set[str]) -> int:
    """Return how many people these are at the least: one who was erased may be there under a number, too."""
    erased = sum(map(is_pseudonym, numbers))
    return max(erased, len(numbers) - erased)


def _months(first: datetime, last: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    day = first.astimezone(zone).date().replace(day=1)
    while (starts_at := datetime.combine(day, time(), zone).astimezone(UTC)) <= last:
        day = (day + timedelta(days=31)).replace(day=1)
        yield starts_at, datetime.combine(day, time(), zone).astimezone(UTC)


def _texted(
    session: Session, account_id: int, starts_at: datetime, ends_at: datetime
) -> Iterator[tuple[str, int, set[str]]]:
    """Yield the phone of each request of a month, its run, and the people whom it certainly reached."""
    columns: tuple[Any, ...] = (
        attempts.c.id, attempts.c.started_at, attempts.c.batch_id, attempts.c.run_id, attempts.c.target,
    )  # fmt: skip
    query = (
        sa.select(*columns)
        .join(runs, runs.c.id == attempts.c.run_id)
        .where(runs.c.account_id == account_id, attempts.c.outcome.not_in(sorted(NEVER)))
        .where(attempts.c.started_at >= starts_at, attempts.c.started_at < ends_at)
    )
    some: list[Any] = []
    for request in by_time(session, query, attempts.c.started_at, attempts.c.id):
        some.append(request)
        if len(some) >= SOME:
            yield from _people(session, some)
            some = []
    yield from _people(session, some)


def _people(session: Session, requests: Sequence[Any]) -> Iterator[tuple[str, int, set[str]]]:
    columns: tuple[Any, ...] = (
        recipients.c.batch_id, recipients.c.number, recipients.c.device, recipients.c.sim,
    )  # fmt: skip
    ids = sorted({request.batch_id for request in requests})
    made: dict[int, int] = defaultdict(int)
    for (batch_id,) in of_values(
        session,
        ids,
        lambda part: sa.select(attempts.c.batch_id).where(
            attempts.c.batch_id.in_(part), attempts.c.outcome.not_in(sorted(NEVER))
        ),
    ):
        made[batch_id] += 1
    rows: dict[int, list[Any]] = defaultdict(list)
    for row in of_values(
        session,
        ids,
        lambda part: sa.select(*columns).where(recipients.c.batch_id.in_(part), recipients.c.gateway_id.is_not(None)),
    ):
        rows[row.batch_id].append(row)
    for request in requests:
        people = {
            row.number
            for row in rows[request.batch_id]
            if made[request.batch_id] == 1 or request.target in {str(row.device), f"{row.device}|{row.sim}"}
        }
        yield ("any" if not request.target or "," in request.target else request.target), request.run_id, people
