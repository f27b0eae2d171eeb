"""The only way that a state changes: a guarded UPDATE whose WHERE comes from the tables in `campaigns.lifecycle`."""

from collections.abc import Collection
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import PausedBy, WaitsFor
from campaigns.lifecycle import (
    BATCH_MOVES,
    RECIPIENT_MOVES,
    RUN_MOVES,
    BatchState,
    RecipientState,
    RunState,
    may_become,
)
from worker.store.tables import batches, recipients, runs


def one_of(column: sa.ColumnElement[Any], states: Collection[StrEnum]) -> sa.ColumnElement[bool]:
    """Return whether the state is one of these.

    Spelt out instead of IN: SQLAlchemy renders an IN again at each execution, and cannot do so for an executemany.
    """
    return sa.or_(sa.false(), *(column == state for state in sorted(states)))


def move_run(to: RunState, *where: sa.ColumnElement[bool], **values: Any) -> sa.Update:
    """Return an UPDATE that moves the runs matching `where` to `to`, where the life cycle allows it."""
    allowed = may_become(RUN_MOVES, to)
    if to is not RunState.PAUSED:
        values["paused_by"] = PausedBy.NOBODY
    return sa.update(runs).where(one_of(runs.c.state, allowed), *where).values(state=to, **values)


def move_batch(to: BatchState, *where: sa.ColumnElement[bool], **values: Any) -> sa.Update:
    """Return an UPDATE that moves the batches matching `where` to `to`, where the life cycle allows it."""
    allowed = may_become(BATCH_MOVES, to)
    if to not in {BatchState.PLANNED, BatchState.QUEUED}:
        values["waits_for"] = WaitsFor.NOTHING
    return sa.update(batches).where(one_of(batches.c.state, allowed), *where).values(state=to, **values)


def move_recipients(to: RecipientState, *where: sa.ColumnElement[bool], **values: Any) -> sa.Update:
    """Return an UPDATE that moves the recipients matching `where` to `to`, where the life cycle allows it."""
    allowed = may_become(RECIPIENT_MOVES, to)
    return sa.update(recipients).where(one_of(recipients.c.state, allowed), *where).values(state=to, **values)


def changed(session: Session, statement: sa.Update | sa.Delete) -> int:
    """Execute the statement; return how many rows it changed."""
    return int(session.execute(statement).rowcount)  # type: ignore[attr-defined]  # a CursorResult, which the stubs hide
