"""What was spent of each budget of money: one row for each budget and period, changed with each intent that it allows.

Only what has a budget has rows. An intent locks those that its moment lies in, in one order, and adds its cost if all
of them have room. So no two requests find the same room, in however many processes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import BatchState
from campaigns.money.prices import Tariff
from worker.store.bulk import insert_missing
from worker.store.statements import Statement
from worker.store.tables import NOT_WAITING, attempts, batches, charges, runs, spent_money

_ACCOUNT: Final = "account:"
_CAMPAIGN: Final = "campaign:"


def account_scope(account_id: int) -> str:
    """Return the scope of what all campaigns of an account spend."""
    return f"{_ACCOUNT}{account_id}"


def campaign_scope(campaign_id: int) -> str:
    """Return the scope of what a campaign spends, over all of its runs."""
    return f"{_CAMPAIGN}{campaign_id}"


@dataclass(frozen=True, slots=True)
class SpendingLimit:
    """At most so many millionths, spent by a scope from `starts_at` on and before `ends_at`."""

    scope: str
    starts_at: datetime
    ends_at: datetime
    millionths: int

    @property
    def key(self) -> tuple[str, datetime, datetime]:
        """What identifies its row."""
        return self.scope, self.starts_at, self.ends_at


@dataclass(frozen=True, slots=True)
class Bill:
    """By what the texts of a request are charged, and to whom; `limits` are the budgets that must have room."""

    currency: str
    tariff: Tariff
    account: str
    campaign: str
    limits: tuple[SpendingLimit, ...] = ()


_at: sa.BindParameter[datetime] = sa.bindparam("b_at", type_=spent_money.c.starts_at.type)
_mine = (
    sa.or_(spent_money.c.scope == sa.bindparam("b_account"), spent_money.c.scope == sa.bindparam("b_campaign")),
    spent_money.c.starts_at <= _at,
    spent_money.c.ends_at > _at,
)
_order = (spent_money.c.scope, spent_money.c.starts_at, spent_money.c.ends_at)
_columns = (*_order, spent_money.c.millionths)

LOCK: Final = Statement(sa.select(*_columns).where(*_mine).order_by(*_order).with_for_update())
"""In one order: two transactions that lock two rows each would wait for each other otherwise."""

ADD: Final = Statement(
    sa.update(spent_money)
    .where(*_mine)
    .values(millionths=spent_money.c.millionths + sa.bindparam("b_millionths", type_=sa.BigInteger))
)

Spent = dict[tuple[str, datetime, datetime], int]
"""By the key of a limit: millionths."""


def spend(session: Session, bill: Bill, millionths: int, *, now: datetime) -> bool:
    """Add what a request costs to every budget that it falls under, or return False: one of them has no room for it.

    The rows stay locked until the end of the transaction, which must be undone after a False.
    """
    connection = session.connection()
    scopes = {"b_account": bill.account, "b_campaign": bill.campaign, "b_at": now}
    spent = _locked(connection, scopes)
    if any(limit.key not in spent for limit in bill.limits):
        open_limits(session, bill.limits)
        spent = _locked(connection, scopes)
    if any(spent[limit.key] + millionths > limit.millionths for limit in bill.limits):
        return False
    if spent and millionths:
        ADD.changed(connection, {**scopes, "b_millionths": millionths})
    return True


@dataclass(frozen=True, slots=True)
class Correction:
    """What was spent by a request that was promised at a moment changes by so many millionths."""

    account: str
    campaign: str
    at: datetime
    millionths: int


def correct(session: Session, corrections: Sequence[Correction]) -> None:
    """Correct every budget in which these requests were counted."""
    scopes = sorted({scope for each in corrections for scope in (each.account, each.campaign)})
    locked = sa.select(*_columns).where(spent_money.c.scope.in_(scopes)).order_by(*_order).with_for_update()
    if not session.execute(locked).all():
        return
    for each in corrections:
        values = {"b_account": each.account, "b_campaign": each.campaign, "b_at": each.at}
        ADD.changed(session.connection(), {**values, "b_millionths": each.millionths})


def _locked(connection: sa.Connection, scopes: dict[str, object]) -> Spent:
    return {(scope, starts, ends): amount for scope, starts, ends, amount in LOCK.rows(connection, scopes)}


def spent_of(session: Session, limits: Sequence[SpendingLimit]) -> Spent:
    """Return what was spent of these budgets, without those that have no row yet."""
    scopes = sorted({limit.scope for limit in limits})
    found = session.execute(sa.select(*_columns).where(spent_money.c.scope.in_(scopes)))
    keys = {limit.key for limit in limits}
    return {key: amount for scope, starts, ends, amount in found if (key := (scope, starts, ends)) in keys}


def may_be_given_back(session: Session, campaign_id: int) -> bool:
    """Return whether a campaign has requests under way or in doubt: what they cost may come back to its budgets."""
    its = batches.c.run_id.in_(sa.select(runs.c.id).where(runs.c.campaign_id == campaign_id))
    under_way = batches.c.state.in_([BatchState.SENDING, BatchState.UNKNOWN])
    return bool(session.scalar(sa.select(sa.exists().where(its, under_way, NOT_WAITING))))


def open_limits(session: Session, limits: Sequence[SpendingLimit]) -> None:
    """Make the rows of budgets that have none: with what was spent in their period before they were set."""
    for limit in sorted(limits, key=lambda limit: limit.key):
        row = {
            "scope": limit.scope,
            "starts_at": limit.starts_at,
            "ends_at": limit.ends_at,
            "millionths": charged(session, limit),
        }
        session.execute(insert_missing(session, spent_money).values(row))


def charged(session: Session, limit: SpendingLimit) -> int:
    """Add up the charges in the period of a budget: what its row must hold."""
    kind, _, id_ = limit.scope.partition(":")
    whose = runs.c.account_id if f"{kind}:" == _ACCOUNT else runs.c.campaign_id
    is_within = attempts.c.started_at >= limit.starts_at, attempts.c.started_at < limit.ends_at
    query = (
        sa.select(sa.func.coalesce(sa.func.sum(charges.c.segments * charges.c.price), 0))
        .join(attempts, attempts.c.id == charges.c.attempt_id)
        # Charges are found by their run: without this, those of years are read.
        .where(charges.c.run_id.in_(sa.select(attempts.c.run_id).join(runs).where(whose == int(id_), *is_within)))
        .where(~charges.c.is_refunded, *is_within)
    )
    return int(session.execute(query).scalar_one())


def unlike_charges(session: Session) -> dict[tuple[str, datetime, datetime], tuple[int, int]]:
    """Add up the charges of every budget; return what is kept and what there is, where they differ, for checks."""
    found = {}
    for scope, starts, ends, amount in session.execute(sa.select(*_columns)).all():
        actual = charged(session, SpendingLimit(scope, starts, ends, 0))
        if actual != amount:
            found[scope, starts, ends] = amount, actual
    return found
