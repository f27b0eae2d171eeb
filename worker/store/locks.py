"""The locks that transactions of a run take, in one order: the run, then the requests of its account.

The account's row comes after both: every request of the account writes it, and the others wait for it until the commit.
SQLite has one writer at a time, whose transaction holds the whole database from its start.
"""

from collections.abc import Iterable
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.statements import Statement
from worker.store.tables import runs

_REQUESTS: Final = 0x5353_4D43
"""An arbitrary number that names the locks of accounts' requests among PostgreSQL's advisory locks."""

_lock = (_REQUESTS, sa.bindparam("b_account", type_=sa.Integer))
_run = sa.select(runs.c.id).where(runs.c.id == sa.bindparam("b_run"))

SHARE_RUN: Final = _run.with_for_update(read=True)
"""A share of the run's lock: once a pause or a cancel is committed, no intent comes after it."""

SHARE_RUN_AND_REQUESTS: Final = Statement(
    sa.select(sa.func.pg_advisory_xact_lock_shared(*_lock)).select_from(SHARE_RUN.subquery())
)

LOCK_REQUESTS: Final = sa.select(sa.func.pg_advisory_xact_lock(*_lock))
"""On PostgreSQL two intents do not see each other: this lock keeps one apart from all others of its account."""

# Not `FOR UPDATE`: that would also wait for every transaction that writes a row referring to the run.
_LOCK_RUN: Final = _run.with_for_update(key_share=True)


def lock_run(session: Session, run_id: int) -> None:
    """Let no other transaction change the run, or promise a request of it, until this one ends.

    Lock first, then ask: on PostgreSQL only statements that begin after the lock was granted see what the other
    transaction did.
    """
    session.execute(_LOCK_RUN, {"b_run": run_id}).one()


def lock_for_intent(connection: sa.Connection, run_id: int, account_id: int, *, is_alone: bool) -> None:
    """Take a share of the run's lock and of its account's request lock; `is_alone`: take all of the second."""
    if connection.dialect.name == "sqlite":
        return
    ids = {"b_run": run_id, "b_account": account_id}
    if is_alone:
        connection.execute(SHARE_RUN, {"b_run": run_id})
        connection.execute(LOCK_REQUESTS, {"b_account": account_id})
    else:
        SHARE_RUN_AND_REQUESTS.rows(connection, ids)


def lock_requests(session: Session, account_ids: Iterable[int]) -> None:
    """Wait for the intents of these accounts that are under way, and let no other one begin until this ends."""
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        return
    for account_id in account_ids:
        connection.execute(LOCK_REQUESTS, {"b_account": account_id})
