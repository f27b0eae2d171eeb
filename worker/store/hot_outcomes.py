"""The statements that store how a send ended, built once like those of `hot`; `outcomes` explains what they do."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB

from campaigns.codes import WaitsFor
from campaigns.lifecycle import BATCH_MOVES, BatchState, RecipientState, may_become
from worker.store.models import AttemptState
from worker.store.moves import move_recipients, one_of
from worker.store.tables import accounts, attempts, batches, groups, recipients

_batch: sa.BindParameter[int] = sa.bindparam("b_batch")
_now = sa.bindparam("b_now", type_=attempts.c.started_at.type)
_pending = recipients.c.state == RecipientState.PENDING

CLOSE_ATTEMPT: Final = (
    sa.update(attempts)
    .where(attempts.c.id == sa.bindparam("b_attempt"), attempts.c.state != AttemptState.CLOSED)
    .values(
        state=AttemptState.CLOSED,
        outcome=sa.bindparam("b_outcome"),
        evidence=sa.bindparam("b_evidence", type_=attempts.c.evidence.type),
        finished_at=_now,
    )
)

_rows = sa.bindparam("b_rows", type_=sa.Text)
_PLACED: Final = ("id", "gateway_id", "group_id", "device", "sim")
"""The columns of one row of `b_rows`, a JSON list of lists in this order."""


def _accept(row: Mapping[str, sa.ColumnElement[Any]]) -> sa.Update:
    return move_recipients(
        RecipientState.ACCEPTED,
        recipients.c.id == row["id"],
        recipients.c.state == RecipientState.IN_DOUBT,
        **{name: row[name] for name in _PLACED[1:]},
        accepted_at=_now,
        reason="",
        gateway_retries=0,
    )


def _from_json_each() -> dict[str, sa.ColumnElement[Any]]:
    each = sa.func.json_each(_rows).table_valued("value", name="placed")
    return {name: sa.func.json_extract(each.c.value, f"$[{place}]") for place, name in enumerate(_PLACED)}


def _from_jsonb() -> dict[str, sa.ColumnElement[Any]]:
    each = sa.func.jsonb_array_elements(sa.cast(_rows, JSONB)).table_valued(sa.column("value", JSONB), name="placed")
    return {name: sa.cast(each.c.value[place].astext, recipients.c[name].type) for place, name in enumerate(_PLACED)}


ACCEPT: Final = {"sqlite": _accept(_from_json_each()), "postgresql": _accept(_from_jsonb())}
"""All recipients of a request in one statement: through SQLAlchemy an executemany of 100 rows took 3 ms of CPU."""


def _follow(insert: Callable[[sa.Table], postgresql.Insert | sqlite.Insert]) -> sa.Insert:
    row = insert(groups).inline()
    return row.on_conflict_do_update(
        index_elements=["run_id", "group_id", "batch_id"],
        set_={"messages": groups.c.messages + row.excluded.messages, "next_poll_at": row.excluded.next_poll_at},
    )


FOLLOW: Final = {"sqlite": _follow(sqlite.insert), "postgresql": _follow(postgresql.insert)}
"""A group of messages, or more messages of one that is known."""

_seen = sa.bindparam("b_seen", type_=sa.BigInteger)
_account = accounts.c.id == sa.bindparam("b_account")
RAISE_FLOOR: Final = (
    sa.update(accounts).where(_account, accounts.c.highest_gateway_id < _seen).values(highest_gateway_id=_seen)
)
ANSWERED: Final = (
    sa.update(accounts)
    .where(_account, sa.or_(accounts.c.highest_gateway_id < _seen, accounts.c.failures > 0))
    .values(
        highest_gateway_id=sa.case((accounts.c.highest_gateway_id < _seen, _seen), else_=accounts.c.highest_gateway_id),
        failures=0,
    )
)


def _has(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return sa.exists().where(recipients.c.batch_id == _batch, *conditions)


_has_pending = _has(_pending)
_ENDS: Final = (BatchState.PLANNED, BatchState.HELD, BatchState.ACCEPTED, BatchState.REFUSED)
CONCLUDE_BATCH: Final = (
    sa.update(batches)
    .where(
        batches.c.id == _batch,
        # The states from which every one of the four can be reached.
        one_of(batches.c.state, frozenset.intersection(*(may_become(BATCH_MOVES, to) for to in _ENDS))),
    )
    .values(
        state=sa.case(
            (_has_pending, BatchState.PLANNED.value),
            (_has(recipients.c.state == RecipientState.HELD), BatchState.HELD.value),
            (_has(recipients.c.gateway_id.is_not(None)), BatchState.ACCEPTED.value),
            else_=BatchState.REFUSED.value,
        ),
        not_before=sa.case(
            (_has_pending, sa.bindparam("b_retry_at", type_=batches.c.not_before.type)), else_=batches.c.not_before
        ),
        waits_for=sa.case((_has_pending, WaitsFor.RETRY.value), else_=WaitsFor.NOTHING.value),
    )
)
"""Waiting again if people are left to send, held if a person must decide, refused if nobody was taken; or accepted."""
