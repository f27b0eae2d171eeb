"""Limits that were set or lowered while the service runs."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.definition import Rate
from campaigns.lifecycle import RecipientState
from campaigns.values.rates import parse_rate
from worker.store.models import Ceiling
from worker.store.tables import attempts, ceilings, recipients, runs
from worker.store.transitions import changed

PERSON: Final = "person"
RECEIPTS: Final = "receipts"

ACCOUNT: Final = "account"
DEVICE: Final = "device:"
CAMPAIGN: Final = "campaign:"
"""A scope is `account`, or one of these prefixes followed by a device as in `devices.use` or by a campaign's name."""

NO_RATE: Final = "none"
"""A rate that somebody lifted; an empty one was not changed."""

NO_DAILY: Final = 0
"""A daily budget that somebody lifted. A budget of zero would be a pause, which has its own command."""


@dataclass(frozen=True, slots=True)
class CeilingView:
    """One row: what it limits and who set it. `rate` and `daily` as stored: empty or None, lifted, or a limit."""

    scope: str
    source: str
    rate: str
    daily: int | None
    weight: int | None
    reason: str
    until: datetime | None
    set_at: datetime


def ceilings_of(session: Session, account_id: int) -> list[CeilingView]:
    """Return every row of the account, including ended ones."""
    query = sa.select(
        ceilings.c.scope,
        ceilings.c.source,
        ceilings.c.rate,
        ceilings.c.daily,
        ceilings.c.weight,
        ceilings.c.reason,
        ceilings.c.until,
        ceilings.c.set_at,
    ).where(ceilings.c.account_id == account_id)
    return [CeilingView(*row) for row in session.execute(query.order_by(ceilings.c.scope, ceilings.c.source))]


def set_ceiling(session: Session, account_id: int, scope: str, source: str, *, now: datetime, **values: Any) -> None:
    """Set some of `rate`, `daily`, `weight`, `reason`, `until` for a scope; values not named stay as they are."""
    values["set_at"] = now
    mine = (ceilings.c.account_id == account_id, ceilings.c.scope == scope, ceilings.c.source == source)
    statement = sa.update(ceilings).where(*mine).values(**values)
    if changed(session, statement):
        return
    try:
        with session.begin_nested():
            session.add(Ceiling(account_id=account_id, scope=scope, source=source, **values))
    except sa.exc.IntegrityError:
        changed(session, statement)  # another process was first


def clear_ceiling(session: Session, account_id: int, scope: str) -> bool:
    """Delete what a person set for a scope, and what receipts lowered there. False: there was nothing."""
    return bool(
        changed(session, sa.delete(ceilings).where(ceilings.c.account_id == account_id, ceilings.c.scope == scope))
    )


def sent_lately(session: Session, account_id: int, target: str, *, since: datetime) -> int:
    """Return the segments that were posted to a device after `since`."""
    query = (
        sa.select(sa.func.coalesce(sa.func.sum(attempts.c.segments), 0))
        .join(runs, runs.c.id == attempts.c.run_id)
        .where(runs.c.account_id == account_id, attempts.c.target == target, attempts.c.started_at > since)
    )
    return int(session.connection().execute(query).scalar_one())


def read_rate(stored: str) -> Rate:
    """Read a rate as `str` writes it, including times that no campaign file can name. Raises `ValueError`."""
    odd = re.fullmatch(r"(\d{1,6})/(\d{1,6}) seconds", stored)
    return Rate(int(odd[1]), timedelta(seconds=int(odd[2]))) if odd else parse_rate(stored)


def sent_by(session: Session, account_id: int, gateway_ids: Collection[int]) -> set[tuple[int, str]]:
    """Return (definition id, target) of the requests of messages that are still waited for; no phone reported them yet.

    Only news counts: a text that a phone reported as failed is shown at every look from then on.
    """
    later = attempts.alias()
    query = (
        sa.select(runs.c.definition_id, attempts.c.target)
        .join(recipients, recipients.c.batch_id == attempts.c.batch_id)
        .join(runs, runs.c.id == recipients.c.run_id)
        .where(
            runs.c.account_id == account_id,
            recipients.c.gateway_id.in_(sorted(gateway_ids)),
            recipients.c.state.in_([RecipientState.ACCEPTED, RecipientState.SENT]),
            # The request that it was accepted from, not an earlier one of the same batch.
            ~sa.exists().where(later.c.batch_id == attempts.c.batch_id, later.c.number > attempts.c.number),
        )
        .distinct()
    )
    return {(definition_id, target) for definition_id, target in session.connection().execute(query)}
