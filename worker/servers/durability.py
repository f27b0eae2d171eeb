"""Checks that a commit of this database survives a power cut: otherwise an intent promises nothing."""

import sqlalchemy as sa

from worker.store.engine import Store
from worker.store.errors import StoreError

FULL, EXTRA = 2, 3
"""SQLite's values of PRAGMA synchronous that sync at every commit."""


def require_durable(store: Store) -> None:
    """Raise `StoreError` if a commit could be lost after it was reported."""
    with store.engine.connect() as connection:
        if store.is_sqlite:
            level = connection.exec_driver_sql("PRAGMA synchronous").scalar()
            if level not in {FULL, EXTRA}:
                raise StoreError(
                    "the SQLite database does not sync its commits (PRAGMA synchronous); nothing is sent in this state"
                )
            return
        setting = connection.execute(sa.text("SHOW synchronous_commit")).scalar()
    if setting == "off":
        raise StoreError(
            "the PostgreSQL database may lose commits it has confirmed (synchronous_commit = off); "
            "set it to on for this database; until then nothing is sent"
        )
