"""Which different people each phone or SIM texted in a calendar month: what the budget of people is counted by.

Rows are written in the transaction of each intent, and only where a budget of people is set. All of them follow from
the requests on record (`people_on_record`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from campaigns.lifecycle import RecipientState
from worker.store.bulk import in_parts
from worker.store.statements import Statement
from worker.store.tables import device_months, device_people, recipients

ANY_DEVICE: Final = "any"
"""The device of requests that name none, or several: the gateway chooses it, so all of them count as one phone."""

NO_DEVICE: Final = ""
"""The row of a month that says up to which request it is counted."""

_key = (
    device_people.c.account_id == sa.bindparam("b_account"),
    device_people.c.month == sa.bindparam("b_month", type_=device_people.c.month.type),
)
_month_key = (
    device_months.c.account_id == sa.bindparam("b_account"),
    device_months.c.month == sa.bindparam("b_month", type_=device_months.c.month.type),
)


class PeopleLimit(NamedTuple):
    """At most `most` different people for each phone in the month from `month` to before `until`, both in UTC."""

    month: datetime
    until: datetime
    most: int


def device_key(targets: Sequence[str]) -> str:
    """Return the phone or SIM under which a request counts, from the devices that it names."""
    return targets[0] if len(targets) == 1 else ANY_DEVICE


# Looks before a slot is taken.

_USED: Final = sa.select(device_months.c.device, device_months.c.people).where(
    *_month_key, device_months.c.device.in_(sa.bindparam("b_devices", expanding=True))
)
_TEXTED: Final = (
    sa.select(device_people.c.device, sa.func.count())
    .where(
        *_key,
        device_people.c.device.in_(sa.bindparam("b_devices", expanding=True)),
        device_people.c.number.in_(
            sa.select(recipients.c.number).where(
                recipients.c.batch_id == sa.bindparam("b_batch"), recipients.c.state == RecipientState.PENDING
            )
        ),
    )
    .group_by(device_people.c.device)
)


def used(
    connection: sa.Connection, account_id: int, month: datetime, devices: Collection[str]
) -> dict[str, int] | None:
    """Return how many people each of these devices texted in the month that began then; None: it is not counted yet."""
    values = {"b_account": account_id, "b_month": month, "b_devices": [NO_DEVICE, *devices]}
    found = {device: people for device, people in connection.execute(_USED, values)}  # noqa: C416  for mypy a row is no pair
    return None if found.pop(NO_DEVICE, None) is None else found


def texted_in(
    connection: sa.Connection, account_id: int, month: datetime, batch_id: int, devices: Collection[str]
) -> dict[str, int]:
    """Return how many of the pending people of a batch each of these devices texted already in the month."""
    values = {"b_account": account_id, "b_month": month, "b_batch": batch_id, "b_devices": list(devices)}
    return {device: people for device, people in connection.execute(_TEXTED, values)}  # noqa: C416  as in `used`


def texted_by(session: Session, account_id: int, month: datetime, numbers: Sequence[str]) -> set[tuple[str, str]]:
    """Return (device, number) of these people and the devices that texted them already in the month."""
    found: set[tuple[str, str]] = set()
    for part in in_parts(numbers):
        query = sa.select(device_people.c.device, device_people.c.number).where(
            device_people.c.account_id == account_id, device_people.c.month == month, device_people.c.number.in_(part)
        )
        found.update((device, number) for device, number in session.execute(query))
    return found


# In the transaction of the intent.

COLUMNS: Final = ("account_id", "month", "device", "number")
_insert_for: Final[Mapping[str, Callable[[sa.Table], sqlite.Insert | postgresql.Insert]]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}
_values: Final = (
    sa.bindparam("b_account", type_=sa.Integer),
    sa.bindparam("b_month", type_=device_people.c.month.type),
    sa.bindparam("b_device", type_=sa.String),
)
_NOTE: Final = {
    name: Statement(
        insert(device_people)
        .from_select(
            COLUMNS,
            sa.select(*_values, recipients.c.number).where(
                recipients.c.batch_id == sa.bindparam("b_batch"), recipients.c.state == RecipientState.IN_DOUBT
            ),
        )
        .on_conflict_do_nothing()
    )
    for name, insert in _insert_for.items()
}


def _adding(name: str) -> Statement:
    added = _insert_for[name](device_months).values(
        account_id=_values[0], month=_values[1], device=_values[2], people=sa.bindparam("b_new", type_=sa.Integer)
    )
    total = device_months.c.people + added.excluded.people
    return Statement(
        added.on_conflict_do_update(
            index_elements=["account_id", "month", "device"],
            set_={"people": total},
            where=total <= sa.bindparam("b_most", type_=sa.Integer),
        )
    )


_ADD: Final = {name: _adding(name) for name in _insert_for}


def take(connection: sa.Connection, account_id: int, device: str, batch_id: int, limit: PeopleLimit) -> bool:
    """Count the people in doubt of a batch for a device; return False if they are more than its budget allows.

    The caller then undoes the transaction. The device's row is locked until the commit, so that requests by one device
    count one after the other; nothing that comes after it in an intent waits for another transaction.
    """
    name = connection.dialect.name
    row = {"b_account": account_id, "b_month": limit.month, "b_device": device}
    new = _NOTE[name].changed(connection, {**row, "b_batch": batch_id})
    if new > limit.most:
        return False
    return not new or bool(_ADD[name].changed(connection, {**row, "b_new": new, "b_most": limit.most}))


AT_ONCE: Final = 5_000
"""Rows deleted in one transaction."""


def forget_before(session: Session, month: datetime) -> int:
    """Delete some rows of the months that began before this one; return how many."""
    old = sa.select(*device_people.primary_key.columns).where(device_people.c.month < month).limit(AT_ONCE).subquery()
    same = sa.and_(*(device_people.c[column.name] == column for column in old.c))
    gone = session.execute(sa.delete(device_people).where(sa.exists().where(same)))
    session.execute(sa.delete(device_months).where(device_months.c.month < month))
    return int(gone.rowcount)  # type: ignore[attr-defined]  # a CursorResult, which the stubs hide
