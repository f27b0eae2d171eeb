"""Connections that have run the statements of a send before the first one is sent."""

from contextlib import ExitStack
from typing import Final

import sqlalchemy as sa

from worker.store import locks
from worker.store.engine import Store
from worker.store.sending import accounts, claim, intent, outcome

TIMES: Final = 7
"""A statement is prepared at its second execution; after five more PostgreSQL stops planning it each time."""

NOBODY = -1
"""An id that no row has."""


def warm(store: Store, connections: int) -> None:
    """Open `connections` connections and run on each of them what a send does, for nobody.

    A new connection to PostgreSQL knows no table yet, and a statement is prepared at its second execution: neither is
    left to the first requests of a moment. SQLite has nothing to warm.
    """
    if store.is_sqlite:
        return
    with ExitStack() as stack:
        for connection in [stack.enter_context(store.look()) for _ in range(connections)]:
            for _ in range(TIMES):
                _send_to_nobody(connection)


def _send_to_nobody(connection: sa.Connection) -> None:
    batch = {"b_batch": NOBODY}
    account = {"b_account": NOBODY}
    for statement, values in (
        (claim.LOAD_WORK, batch),
        (locks.SHARE_RUN_AND_REQUESTS, {"b_run": NOBODY, **account}),
        (claim.TAKE_BATCH, {**batch, **account}),
        (intent.TAKE_OUT, batch),
        (intent.PROMISE, batch),
        (intent.MAY_STILL_SEND, {"b_run": NOBODY, "b_attempt": NOBODY}),
        (outcome.CLOSE_ATTEMPT, {"b_attempt": NOBODY, "b_outcome": "", "b_evidence": {}, "b_now": None}),
        (outcome.ACCEPT[connection.dialect.name], {"b_rows": "[]", "b_now": None}),
        (outcome.ALL_ACCEPTED, batch),
        (outcome.CONCLUDE_BATCH, {**batch, "b_retry_at": None}),
        (accounts.ANSWERED, {**account, "b_seen": 0}),
    ):
        statement.changed(connection, values)
