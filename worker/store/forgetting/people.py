"""Hashes in place of the numbers of people, wherever there are any besides in rows of audiences."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.forgetting import elsewhere
from worker.store.forgetting.renaming import delete, rename, rename_all, rows_of
from worker.store.tables import device_months, device_people, suppressions, unsubscriptions


def rename_people(session: Session, names: Mapping[str, str], key: bytes) -> set[str]:
    """Put hashes in place of numbers (`names`) wherever they are kept, except in rows; return those that were found."""
    return (
        elsewhere.erase_replies(session, names, key)
        | _rename_opt_outs(session, names)
        | _rename_unsubscriptions(session, names)
        | elsewhere.hide_accepted_before(session, names, key)
        | rename_texted(session, names)
    )


def _rename_opt_outs(session: Session, names: Mapping[str, str]) -> set[str]:
    """Of two entries in force for one person, the one that was erased before stays."""
    columns = suppressions.c.id, suppressions.c.number, suppressions.c.kind, suppressions.c.ended_at
    found = rows_of(session, names, suppressions.c.number, *columns)
    there = {
        (row.number, row.kind)
        for row in rows_of(session, names.values(), suppressions.c.number, *columns)
        if row.ended_at is None
    }
    twice = {row.id for row in found if row.ended_at is None and (names[row.number], row.kind) in there}
    delete(session, suppressions, twice)
    rename(session, suppressions, ((row.id, names[row.number]) for row in found if row.id not in twice), reason="")
    return {row.number for row in found}


def _rename_unsubscriptions(session: Session, names: Mapping[str, str]) -> set[str]:
    columns = tuple(unsubscriptions.c[name] for name in ("id", "number", "account_id", "list_id"))
    found = rows_of(session, names, unsubscriptions.c.number, *columns)
    there = {tuple(row)[1:] for row in rows_of(session, names.values(), unsubscriptions.c.number, *columns)}
    twice = {row.id for row in found if (names[row.number], row.account_id, row.list_id) in there}
    delete(session, unsubscriptions, twice)
    rename(session, unsubscriptions, ((row.id, names[row.number]) for row in found if row.id not in twice), problem="")
    return {row.number for row in found}


def rename_texted(session: Session, names: Mapping[str, str]) -> set[str]:
    """Keep whom phones texted this month, for their budgets; a person who was erased twice counts once again."""
    columns = tuple(device_people.c[name] for name in ("account_id", "month", "device", "number"))
    found = rows_of(session, names, device_people.c.number, *columns)
    there = {tuple(row) for row in rows_of(session, names.values(), device_people.c.number, *columns)}
    twice = [tuple(row) for row in found if (*tuple(row)[:3], names[row.number]) in there]
    for row in twice:
        session.execute(sa.delete(device_people).where(*_is(columns, row)))
    for month, people in Counter(row[:3] for row in twice).items():
        mine = _is(tuple(device_months.c[column.name] for column in columns[:3]), month)
        session.execute(sa.update(device_months).where(*mine).values(people=device_months.c.people - people))
    rename_all(session, device_people, {row.number: names[row.number] for row in found})
    return {row.number for row in found}


def _is(columns: tuple[sa.Column[Any], ...], values: tuple[Any, ...]) -> list[sa.ColumnElement[bool]]:
    return [column == value for column, value in zip(columns, values, strict=True)]
