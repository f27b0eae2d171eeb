"""The people whom each phone texted in a month, as the requests on record tell: what the counted rows are made from.

They are made anew when the budget is set, when a process starts, and when the rows are gone. A text that is proven not
sent gives its person back; one that its phone reports as failed does not, because nobody knows what a carrier counts.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.calendar.periods import Period
from campaigns.lifecycle import RecipientState
from worker.store.bulk import in_parts, insert_missing
from worker.store.column_types import AsUnixTime
from worker.store.events import EventName
from worker.store.locks import lock_requests
from worker.store.models import AttemptState
from worker.store.people.device_people import ANY_DEVICE, COLUMNS, NO_DEVICE
from worker.store.tables import (
    accepted_before,
    attempts,
    device_months,
    device_people,
    events,
    recipients,
    retries,
    runs,
)

_NOT_SENT: Final = ("not_sent", "missed")
"""Outcomes of requests of which nothing was stored at the gateway."""

_KEY_OF_REQUEST: Final = sa.case(
    (sa.or_(attempts.c.target == "", attempts.c.target.contains(",")), ANY_DEVICE), else_=attempts.c.target
)
Narrow = Callable[[sa.ColumnElement[Any], sa.ColumnElement[Any], sa.ColumnElement[Any]], list[sa.ColumnElement[bool]]]
"""Conditions on the moment of a text, the device that it counts for, and the person's number."""


def _is_by(requests: sa.FromClause) -> sa.ColumnElement[bool]:
    """Match requests that went to the phone that the gateway names for the recipient."""
    phone = sa.cast(recipients.c.device, sa.String)
    return sa.or_(requests.c.target == phone, requests.c.target == phone + "|" + sa.cast(recipients.c.sim, sa.String))


_other = attempts.alias("other_request")
_may_have_it = (
    attempts.c.outcome.not_in(_NOT_SENT),
    sa.or_(
        sa.and_(recipients.c.state == RecipientState.IN_DOUBT, attempts.c.state != AttemptState.CLOSED),
        sa.and_(recipients.c.state == RecipientState.HELD, recipients.c.attempts > 0),
        recipients.c.state == RecipientState.ACCEPTED,
        recipients.c.gateway_id.is_not(None),
    ),
    # A batch of several requests: the one by the phone that the gateway names, if there is one, or else all of them.
    sa.or_(
        recipients.c.device.is_(None),
        _is_by(attempts),
        ~sa.exists().where(_other.c.batch_id == attempts.c.batch_id, _is_by(_other)),
    ),
)


def _sources(account: Any, narrow: Narrow, *, after: Any = None) -> Iterator[sa.Select[Any]]:
    """Yield the devices and numbers of everything that may have been sent; `after`: by requests after this one."""
    at = AsUnixTime(attempts.c.started_at)
    newer = () if after is None else (attempts.c.id > after,)
    of_requests = attempts.join(runs, runs.c.id == attempts.c.run_id)
    yield (
        sa.select(_KEY_OF_REQUEST.label("device"), recipients.c.number)
        .select_from(of_requests.join(recipients, recipients.c.batch_id == attempts.c.batch_id))
        .where(runs.c.account_id == account, *newer, *_may_have_it, *narrow(at, _KEY_OF_REQUEST, recipients.c.number))
    )
    # Texts that a phone reported as failed and that were sent again, since when they belong to another request.
    failed = of_requests.join(retries, retries.c.batch_id == attempts.c.batch_id)
    yield (
        sa.select(_KEY_OF_REQUEST.label("device"), recipients.c.number)
        .select_from(failed.join(recipients, recipients.c.id == retries.c.recipient_id))
        .where(
            runs.c.account_id == account,
            *newer,
            attempts.c.outcome.not_in(_NOT_SENT),
            *narrow(at, _KEY_OF_REQUEST, recipients.c.number),
        )
    )
    # What `recover` found has no request. How a campaign named its phone is not known: it counts for every name.
    is_recovered = sa.and_(
        events.c.batch_id == recipients.c.batch_id, events.c.name == EventName.RUN_ACCEPTED_BEFORE.value
    )
    for row, joined, moment, mine in (
        (
            recipients,
            recipients.join(runs, runs.c.id == recipients.c.run_id).join(events, is_recovered),
            recipients.c.accepted_at,
            (runs.c.account_id == account, recipients.c.attempts == 0, recipients.c.gateway_id.is_not(None)),
        ),
        (
            accepted_before,
            accepted_before,
            AsUnixTime(accepted_before.c.sent_at),
            (accepted_before.c.account_id == account,),
        ),
    ):
        phone = sa.cast(row.c.device, sa.String)
        for key in (phone, phone + "|" + sa.cast(row.c.sim, sa.String), sa.literal(ANY_DEVICE)):
            yield (
                sa.select(key.label("device"), row.c.number)
                .select_from(joined)
                .where(*mine, key.is_not(None), *narrow(moment, key, row.c.number))
            )


def count_month(session: Session, account_id: int, month: Period) -> None:
    """Count everybody whom each device of an account texted in this month, as far as they are not counted yet.

    No request of the account is promised meanwhile. What was counted before stays: only later requests are looked at.
    """
    lock_requests(session, [account_id])
    since, until = month
    row = (device_months.c.account_id == account_id, device_months.c.month == since)
    counted_to = session.scalars(
        sa.select(device_months.c.counted_to).where(*row, device_months.c.device == NO_DEVICE)
    ).first()
    last = session.scalars(sa.select(sa.func.coalesce(sa.func.max(attempts.c.id), 0))).one()
    as_month = sa.literal(since, device_people.c.month.type)
    end = sa.literal(until, device_people.c.month.type)

    def in_month(at: Any, _key: Any, _number: Any) -> list[sa.ColumnElement[bool]]:
        return [at >= as_month, at < end]

    for source in _sources(account_id, in_month, after=counted_to or 0):
        found = source.subquery()
        rows = sa.select(sa.literal(account_id), as_month, found.c.device, found.c.number).where(sa.true()).distinct()
        session.execute(insert_missing(session, device_people).from_select(COLUMNS, rows))
    session.execute(sa.delete(device_months).where(*row))
    people = sa.select(
        device_people.c.account_id, device_people.c.month, device_people.c.device, sa.func.count()
    ).where(device_people.c.account_id == account_id, device_people.c.month == since)
    columns = ["account_id", "month", "device", "people"]
    session.execute(
        sa.insert(device_months).from_select(
            columns, people.group_by(device_people.c.account_id, device_people.c.month, device_people.c.device)
        )
    )
    session.execute(
        sa.insert(device_months).values(account_id=account_id, month=since, device=NO_DEVICE, people=0, counted_to=last)
    )


def used_by(session: Session, account_id: int, month: Period) -> dict[str, int]:
    """Return how many people each device texted in the month, also while it is not counted."""
    pairs = _pairs(session, account_id, month)
    query = sa.select(pairs.c.device, sa.func.count()).group_by(pairs.c.device)
    return {device: people for device, people in session.execute(query)}  # noqa: C416  for mypy a row is no pair


def used_by_sim(session: Session, account_id: int, month: Period) -> dict[str, int]:
    """Return what `used_by` does, with each SIM joined by whoever its phone texted without saying by which SIM.

    The budget counts the names apart; this is the most people that a SIM can have texted.
    """
    found = used_by(session, account_id, month)
    if not any("|" in name and name.partition("|")[0] in found for name in found):
        return found
    of_sim, of_phone = _pairs(session, account_id, month), _pairs(session, account_id, month)
    both = (
        sa.select(of_sim.c.device, sa.func.count())
        .join(of_phone, of_phone.c.number == of_sim.c.number)
        .where(of_sim.c.device.like(of_phone.c.device + "|%"))
        .group_by(of_sim.c.device)
    )
    twice = {device: people for device, people in session.execute(both)}  # noqa: C416  for mypy a row is no pair
    return {
        name: people + (found.get(name.partition("|")[0], 0) - twice.get(name, 0) if "|" in name else 0)
        for name, people in found.items()
    }


def texted(session: Session, account_id: int, month: Period, numbers: Sequence[str]) -> set[tuple[str, str]]:
    """Return (device, number) of those of these people whom a device texted in the month, also while not counted."""
    pairs = _pairs(session, account_id, month)
    found: set[tuple[str, str]] = set()
    for part in in_parts(numbers):
        query = sa.select(pairs.c.device, pairs.c.number).where(pairs.c.number.in_(part))
        found.update((device, number) for device, number in session.execute(query))
    return found


def _pairs(session: Session, account_id: int, month: Period) -> sa.Subquery:
    since, until = (sa.literal(moment, device_people.c.month.type) for moment in month)
    mine = (device_months.c.account_id == account_id, device_months.c.month == since)
    if session.scalar(sa.select(sa.exists().where(*mine, device_months.c.device == NO_DEVICE))):
        counted = sa.select(device_people.c.device, device_people.c.number)
        return counted.where(device_people.c.account_id == account_id, device_people.c.month == since).subquery()
    on_record = _sources(account_id, lambda at, _key, _number: [at >= since, at < until])
    return sa.union(*on_record).subquery()


_any_evidence = sa.or_(
    *(
        source.exists()
        for source in _sources(
            device_people.c.account_id,
            lambda at, key, number: [
                number == device_people.c.number,
                key == device_people.c.device,
                at >= device_people.c.month,
            ],
        )
    )
)


def give_back(session: Session, recipient_ids: Sequence[int]) -> set[int]:
    """Give back people whose texts were proven not sent, unless another text of the month went by the same device.

    Return the accounts whose phones have room again. Where no budget of people is set, this is one look into an empty
    table.
    """
    freed: Counter[tuple[int, datetime, str]] = Counter()
    for part in in_parts(recipient_ids):
        numbers = sa.select(recipients.c.number).where(recipients.c.id.in_(part))
        gone = sa.delete(device_people).where(device_people.c.number.in_(numbers), ~_any_evidence)
        keys = (device_people.c.account_id, device_people.c.month, device_people.c.device)
        freed.update(tuple(row) for row in session.execute(gone.returning(*keys)))
    for (account_id, month, device), people in sorted(freed.items()):
        session.execute(
            sa.update(device_months)
            .where(
                device_months.c.account_id == account_id,
                device_months.c.month == month,
                device_months.c.device == device,
            )
            .values(people=device_months.c.people - people)
        )
    return {account_id for account_id, _, _ in freed}
