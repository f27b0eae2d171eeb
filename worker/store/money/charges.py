"""What single texts cost, by the prices of the moment of their intent: one row for each text of each request.

A charge counts until its text is proven not sent. It is stored in the transaction of the intent, so that a process that
is killed leaves both or neither.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.bulk import in_parts
from worker.store.money.spending import Bill, Correction, account_scope, campaign_scope, correct
from worker.store.statements import Statement, rows_given
from worker.store.tables import accounts, attempts, charges, recipients, runs


class ChargedText(NamedTuple):
    """A text: what each of its segments costs, in millionths. None: nobody knows."""

    recipient_id: int
    segments: int
    price: int | None


def priced(bill: Bill, texts: Iterable[tuple[int, str, int]]) -> list[ChargedText]:
    """Return what texts cost, given as (recipient id, number, segments)."""
    prices = ((id_, segments, bill.tariff.price_of(number)) for id_, number, segments in texts)
    return [ChargedText(id_, segments, price.millionths if price else None) for id_, segments, price in prices]


_COLUMNS: Final = ("recipient_id", "segments", "price")
_attempt: sa.BindParameter[int] = sa.bindparam("b_attempt", type_=sa.BigInteger)
_run: sa.BindParameter[int] = sa.bindparam("b_run", type_=sa.Integer)

RECORD: Final = {
    dialect: Statement(
        sa.insert(charges).from_select(
            ["attempt_id", "run_id", *_COLUMNS, "is_refunded"],
            sa.select(_attempt, _run, *(row[name] for name in _COLUMNS), sa.false()),
        )
    )
    for dialect, row in rows_given({name: charges.c[name].type for name in _COLUMNS}).items()
}
"""All texts of a request in one statement."""


def record(connection: sa.Connection, attempt_id: int, run_id: int, texts: Sequence[ChargedText]) -> None:
    """Charge the texts of a request."""
    values = {"b_attempt": attempt_id, "b_run": run_id, "b_rows": json.dumps(texts)}
    RECORD[connection.dialect.name].changed(connection, values)


def charge_list(session: Session, bill: Bill, attempt_id: int, run_id: int, batch_id: int) -> None:
    """Charge the people of a contact list, who are known only from the reply."""
    people = sa.select(recipients.c.id, recipients.c.number, recipients.c.segments)
    rows = session.execute(people.where(recipients.c.batch_id == batch_id)).all()
    texts = priced(bill, [(id_, number, segments) for id_, number, segments in rows])
    record(session.connection(), attempt_id, run_id, texts)


def refund(session: Session, attempt_id: int, recipient_ids: Sequence[int]) -> None:
    """Take back the charges of people who are proven not sent by this request, and give their budgets the money."""
    for part in in_parts(recipient_ids):
        _set_refunded(session, *_of_attempt(attempt_id), charges.c.recipient_id.in_(part), to=True)


def _of_attempt(attempt_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    """Match the charges of a request by their key, whose first column is the run. The second is the person."""
    run = sa.select(attempts.c.run_id).where(attempts.c.id == attempt_id).scalar_subquery()
    return charges.c.run_id == run, charges.c.attempt_id == attempt_id


def refund_last(session: Session, run_id: int, recipient_ids: Sequence[int]) -> None:
    """The same of the last request that each of these people of a run was in."""
    later = charges.alias("later")
    for part in in_parts(recipient_ids):
        of_batch = sa.select(attempts.c.id).where(
            attempts.c.batch_id.in_(sa.select(recipients.c.batch_id).where(recipients.c.id.in_(part)))
        )
        is_last = ~sa.exists().where(
            later.c.run_id == run_id,
            later.c.attempt_id.in_(of_batch),
            later.c.attempt_id > charges.c.attempt_id,
            later.c.recipient_id == charges.c.recipient_id,
        )
        mine = charges.c.run_id == run_id, charges.c.attempt_id.in_(of_batch), charges.c.recipient_id.in_(part)
        _set_refunded(session, *mine, is_last, to=True)


def charge_again(session: Session, attempt_id: int, recipient_ids: Sequence[int]) -> None:
    """Charge people whose text was sent after all, although that had been ruled out: a budget may be exceeded by it."""
    for part in in_parts(recipient_ids):
        _set_refunded(session, *_of_attempt(attempt_id), charges.c.recipient_id.in_(part), to=False)


def _set_refunded(session: Session, *where: sa.ColumnElement[bool], to: bool) -> None:
    changed = sa.update(charges).where(*where, charges.c.is_refunded != to).values(is_refunded=to)
    found = session.execute(
        changed.returning(charges.c.attempt_id, charges.c.segments, sa.func.coalesce(charges.c.price, 0))
    ).all()
    sums: dict[int, int] = defaultdict(int)
    for attempt_id, segments, price in found:
        sums[attempt_id] += segments * price
    if not sums:
        return
    query = (
        sa.select(attempts.c.id, attempts.c.started_at, runs.c.account_id, runs.c.campaign_id)
        .join(runs, runs.c.id == attempts.c.run_id)
        .where(attempts.c.id.in_(sorted(sums)))
    )
    corrections = [
        Correction(account_scope(account_id), campaign_scope(campaign_id), at, -sums[id_] if to else sums[id_])
        for id_, at, account_id, campaign_id in session.execute(query)
    ]
    correct(session, corrections)


def by_device(session: Session, attempt_id: int) -> list[tuple[int | None, int]]:
    """Return what the texts of a request cost that the gateway has, by the device that it named, in millionths."""
    query = (
        sa.select(recipients.c.device, sa.func.sum(charges.c.segments * charges.c.price))
        .join(recipients, recipients.c.id == charges.c.recipient_id)
        .where(*_of_attempt(attempt_id), ~charges.c.is_refunded, charges.c.price.is_not(None))
        .where(
            recipients.c.batch_id == sa.select(attempts.c.batch_id).where(attempts.c.id == attempt_id).scalar_subquery()
        )
        .where(recipients.c.gateway_id.is_not(None))
        .group_by(recipients.c.device)
    )
    return [(device, int(millionths)) for device, millionths in session.execute(query)]


def settle_currency(session: Session, account_id: int, currency: str) -> str:
    """Return the currency in which this account counts; the first one that is used stays."""
    unset = sa.update(accounts).where(accounts.c.id == account_id, accounts.c.currency.is_(None))
    session.execute(unset.values(currency=currency))
    return currency_of(session, account_id)


def currency_of(session: Session, account_id: int) -> str:
    """Return the currency in which an account counts; empty: it has counted nothing yet."""
    return session.execute(sa.select(accounts.c.currency).where(accounts.c.id == account_id)).scalar_one_or_none() or ""
