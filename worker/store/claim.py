"""The statements of a send up to its promise, built once: building one takes SQLAlchemy 0.18 ms, running it 0.03 ms.

`worker.store.intent` carries them out and explains what they are for. (The figures were measured.)
"""

from typing import Final

import sqlalchemy as sa

from campaigns.codes import PausedBy, WaitsFor
from campaigns.lifecycle import BatchState, RecipientState, RunState
from worker.store.models import AttemptState
from worker.store.moves import move_batch, move_recipients
from worker.store.tables import accepted_before, accounts, attempts, batches, recipients, runs, suppressions

ALONE: Final = 0x5353_4D43
"""An arbitrary number that names the locks of contact lists among PostgreSQL's advisory locks."""

_batch: sa.BindParameter[int] = sa.bindparam("b_batch")
_now = sa.bindparam("b_now", type_=attempts.c.started_at.type)
_pending = recipients.c.state == RecipientState.PENDING

_to_send = (
    sa.select(
        recipients.c.batch_id,
        sa.func.count().label("recipients"),
        sa.func.sum(recipients.c.segments).label("segments"),
    )
    .where(recipients.c.batch_id == _batch, _pending)
    .group_by(recipients.c.batch_id)
    .subquery()
)
NOT_WAITING: Final[sa.ColumnElement[bool]] = sa.literal_column("batch.state IN ('queued','sending','unknown')")
"""What the index on few states asks for, in its words, or SQLite does not take it: of 100,000 batches that wait, all
were read, in 12 ms."""

COUNT_IN_DOUBT: Final = (
    sa.select(sa.func.count())
    .select_from(batches)
    .join(runs, runs.c.id == batches.c.run_id)
    .where(runs.c.account_id == sa.bindparam("b_account"), batches.c.state == BatchState.UNKNOWN, NOT_WAITING)
)

_company = runs.alias("company")
"""The runs of the batches that are looked at beside the one in hand."""

_in_doubt = (
    sa.select(sa.func.count())
    .select_from(batches)
    .join(_company, _company.c.id == batches.c.run_id)
    .where(_company.c.account_id == runs.c.account_id, batches.c.state == BatchState.UNKNOWN, NOT_WAITING)
    .correlate(runs)
    .scalar_subquery()
)

_has_before = sa.exists().where(accepted_before.c.account_id == runs.c.account_id).correlate(runs)
"""Whether `recover` found messages that nobody has yet; on a table that is mostly empty this costs nothing."""

LOAD_WORK: Final = (
    sa.select(
        batches.c.id,
        batches.c.run_id,
        runs.c.account_id,
        runs.c.definition_id,
        batches.c.ordinal,
        batches.c.attempt,
        sa.func.coalesce(_to_send.c.recipients, 0),
        sa.func.coalesce(_to_send.c.segments, batches.c.segments),
        batches.c.list_id,
        batches.c.zones,
        batches.c.moment,
        batches.c.latest,
        batches.c.avoid_device,
        batches.c.target,
        runs.c.parent_id,
        _in_doubt,
        runs.c.type,
        runs.c.moment,
        _has_before,
    )
    .join(runs, runs.c.id == batches.c.run_id)
    .outerjoin(_to_send, _to_send.c.batch_id == batches.c.id)
    .where(
        batches.c.id == _batch,
        # Up to 256 jobs are left in the queue when a budget is spent: each would ask, and put all of its run off again.
        sa.or_(
            batches.c.state == BatchState.QUEUED,
            sa.and_(batches.c.state == BatchState.PLANNED, batches.c.waits_for != WaitsFor.BUDGET),
        ),
        runs.c.state == RunState.RUNNING,
    )
)

_account_sends = accounts.c.paused_by == PausedBy.NOBODY
MAY_STILL_SEND: Final = (
    sa.select(runs.c.id)
    .join(accounts, accounts.c.id == runs.c.account_id)
    .join(attempts, attempts.c.run_id == runs.c.id)
    .where(
        runs.c.id == sa.bindparam("b_run"),
        runs.c.state == RunState.RUNNING,
        _account_sends,
        attempts.c.id == sa.bindparam("b_attempt"),
        attempts.c.state == AttemptState.OPEN,
    )
)

_is_under_way = sa.or_(batches.c.state == BatchState.SENDING, batches.c.state == BatchState.UNKNOWN)
"""Spelt out and not as IN, which SQLAlchemy writes anew at each execution."""

UNDER_WAY: Final = (
    sa.select(
        sa.func.count().label("requests"),
        sa.func.count(batches.c.list_id).label("lists"),
    )
    .select_from(batches)
    .join(runs, runs.c.id == batches.c.run_id)
    .where(runs.c.account_id == sa.bindparam("b_account"), _is_under_way, NOT_WAITING)
)

LOCK_RUN: Final = sa.select(runs.c.id).where(runs.c.id == sa.bindparam("b_run")).with_for_update(read=True)
"""A share of the run's lock: from the moment that a pause or a cancel is committed, no intent comes after it."""

_lock = (ALONE, sa.bindparam("b_account", type_=sa.Integer))
LOCK_RUN_AND_SHARE: Final = sa.select(sa.func.pg_advisory_xact_lock_shared(*_lock)).select_from(LOCK_RUN.subquery())
LOCK_EXCLUSIVE: Final = sa.select(sa.func.pg_advisory_xact_lock(*_lock))
"""On PostgreSQL two intents do not see each other: a lock keeps that to a contact list apart from all others."""

_list_is_under_way = (
    sa.select(batches.c.id)
    .join(_company, _company.c.id == batches.c.run_id)
    .where(
        _company.c.account_id == sa.bindparam("b_account"), batches.c.list_id.is_not(None), _is_under_way, NOT_WAITING
    )
    .correlate(None)
    .exists()
)

TAKE_BATCH: Final = move_batch(
    BatchState.SENDING,
    batches.c.id == _batch,
    sa.exists().where(
        runs.c.id == batches.c.run_id,
        runs.c.state == RunState.RUNNING,
        accounts.c.id == runs.c.account_id,
        _account_sends,
    ),
    ~_list_is_under_way,
    attempt=batches.c.attempt + 1,
    reason="",
).returning(
    batches.c.attempt,
    # Asked here once more: `recover` may have ended between the look at the batch and its intent.
    sa.exists().where(accepted_before.c.account_id == sa.bindparam("b_account")).correlate(None),
)

OPTED_OUT: Final = "opted out"
"""The reason of whoever is suppressed; since when and why is in the list of suppressions."""

TAKE_OUT: Final = move_recipients(
    RecipientState.SUPPRESSED,
    recipients.c.batch_id == _batch,
    _pending,
    sa.exists().where(
        suppressions.c.number == recipients.c.number,
        suppressions.c.ended_at.is_(None),
        runs.c.id == recipients.c.run_id,
        sa.or_(suppressions.c.kind == "", suppressions.c.kind == runs.c.kind),
    ),
    reason=OPTED_OUT,
)
"""The last look at the list of suppressions, in the transaction of the intent: what is on it by now gets nothing."""

_earlier = recipients.alias()
_chain = runs.alias()
LEAVE_OUT: Final = move_recipients(
    RecipientState.CANCELLED,
    recipients.c.batch_id == _batch,
    _pending,
    sa.exists().where(
        _earlier.c.number == recipients.c.number,
        _earlier.c.slot == recipients.c.slot,
        _earlier.c.run_id == _chain.c.id,
        _earlier.c.run_id < recipients.c.run_id,
        sa.or_(_chain.c.id == sa.bindparam("b_parent"), _chain.c.parent_id == sa.bindparam("b_parent")),
        _earlier.c.state != RecipientState.FAILED,
    ),
    is_superseded=True,
    reason="the text that had failed was sent after all",
)
"""The last look at the texts that failed, in the transaction of the intent that sends them again: all have to stand."""

_other = recipients.alias("other")
_is_in_doubt: sa.ColumnElement[bool] = sa.literal_column("other.state = 'in_doubt'")
"""In the words of the index on numbers in doubt: PostgreSQL takes it for a statement prepared once only then."""

PROMISE: Final = move_recipients(
    RecipientState.IN_DOUBT,
    recipients.c.batch_id == _batch,
    _pending,
    recipients.c.number.not_in(sa.select(_other.c.number).where(_is_in_doubt)),
    attempts=recipients.c.attempts + 1,
).returning(recipients.c.id, recipients.c.number, recipients.c.text, recipients.c.segments)

OPEN_ATTEMPT: Final = (
    sa.insert(attempts)
    .values(
        state=AttemptState.OPEN,
        outcome="",
        evidence={},
        checks=0,
        id_floor=sa.select(accounts.c.highest_gateway_id)
        .where(accounts.c.id == sa.bindparam("b_account"))
        .scalar_subquery(),
        **{
            name: sa.bindparam(f"b_{name}", type_=attempts.c[name].type)
            for name in (
                "run_id",
                "batch_id",
                "number",
                "started_at",
                "send_by",
                "payload_hash",
                "target",
                "recipients",
                "segments",
                "granted_at",
                "next_check_at",
            )
        },
    )
    .returning(attempts.c.id, attempts.c.id_floor)
)
