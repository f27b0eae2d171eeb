"""Texts that a phone did not send and that are sent again: noticed, waiting, begun.

See `worker.store.following.failed_text_watch`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import BatchState, RecipientState, RunState
from worker.store.bulk import in_parts
from worker.store.models import Batch
from worker.store.tables import batches, recipients, retries, runs
from worker.store.transitions import changed, move_recipients, move_run


@dataclass(frozen=True, slots=True)
class FailedText:
    """A message that failed, and the person it was for. `resent_count`: how often we resent its text."""

    recipient_id: int
    run_id: int
    definition_id: int
    batch_id: int
    gateway_id: int
    device: int | None
    sim: int | None
    result_code: int
    gateway_retries: int
    segments: int
    resent_count: int


def failed_texts(session: Session, account_id: int, gateway_ids: Collection[int]) -> list[FailedText]:
    """Return those of these messages that are in state failed and were not noticed yet."""
    found: list[FailedText] = []
    noticed = sa.exists().where(
        retries.c.recipient_id == recipients.c.id, retries.c.gateway_id == recipients.c.gateway_id
    )
    for part in in_parts(sorted(gateway_ids)):
        query = (
            sa.select(
                recipients.c.id,
                recipients.c.run_id,
                runs.c.definition_id,
                recipients.c.batch_id,
                recipients.c.gateway_id,
                recipients.c.device,
                recipients.c.sim,
                recipients.c.result_code,
                recipients.c.gateway_retries,
                recipients.c.segments,
                recipients.c.resent_count,
            )
            .join(runs, runs.c.id == recipients.c.run_id)
            .where(
                runs.c.account_id == account_id,
                runs.c.state.in_([RunState.RUNNING, RunState.SETTLING, RunState.PAUSED]),
                recipients.c.gateway_id.in_(part),
                recipients.c.state == RecipientState.FAILED,
                recipients.c.batch_id.is_not(None),
                ~noticed,
            )
        )
        found += [FailedText(*row) for row in session.execute(query)]
    return found


def plan_retries(session: Session, failed: Sequence[tuple[FailedText, datetime]], *, now: datetime) -> None:
    """Plan to send these texts again at these moments."""
    if failed:
        session.execute(
            sa.insert(retries),
            [
                {
                    "run_id": text.run_id,
                    "recipient_id": text.recipient_id,
                    "batch_id": text.batch_id,
                    "gateway_id": text.gateway_id,
                    "device": text.device,
                    "sim": text.sim,
                    "result_code": text.result_code,
                    "gateway_retries": text.gateway_retries,
                    "segments": text.segments,
                    "noticed_at": now,
                    "due_at": due_at,
                }
                for text, due_at in failed
            ],
        )


@dataclass(frozen=True, slots=True)
class DueRetry:
    """A text that is due again. It may go when its first batch could: by `zones`, until `latest`."""

    id: int
    run_id: int
    definition_id: int
    recipient_id: int
    batch_id: int
    gateway_id: int
    device: int | None
    gateway_retries: int
    segments: int
    zones: str
    latest: datetime | None


_DUE: Final = (
    sa.select(
        retries.c.id,
        retries.c.run_id,
        runs.c.definition_id,
        retries.c.recipient_id,
        retries.c.batch_id,
        retries.c.gateway_id,
        retries.c.device,
        retries.c.gateway_retries,
        retries.c.segments,
        batches.c.zones,
        batches.c.latest,
    )
    .join(runs, runs.c.id == retries.c.run_id)
    .join(batches, batches.c.id == retries.c.batch_id)
    .where(
        runs.c.account_id == sa.bindparam("b_account"),
        runs.c.state.in_([RunState.RUNNING, RunState.SETTLING]),
        sa.literal_column("retry.due_at IS NOT NULL"),  # word for word as in the index
        retries.c.due_at <= sa.bindparam("b_now", type_=retries.c.due_at.type),
    )
    .order_by(retries.c.due_at, retries.c.id)
    .limit(sa.bindparam("b_most", type_=sa.Integer))
)
"""Built once: it runs every second."""


def due_retries(session: Session, account_id: int, *, now: datetime, most: int) -> list[DueRetry]:
    """Return texts of running and settling runs that are due again, the longest waiting first."""
    found = session.connection().execute(_DUE, {"b_account": account_id, "b_now": now, "b_most": most})
    return [DueRetry(*row) for row in found]


_WAITING: Final = (
    sa.select(sa.func.count())
    .select_from(retries)
    .where(retries.c.run_id == sa.bindparam("b_run"), retries.c.due_at.is_not(None))
)


def waiting_retries(session: Session, run_id: int) -> int:
    """Return how many texts of a run are still to be sent again."""
    return int(session.connection().execute(_WAITING, {"b_run": run_id}).scalar_one())


def postpone_retries(
    session: Session, ids: Collection[int], *, until: datetime, retries_seen: int | None = None
) -> None:
    """Put these retries off. `retries_seen`: how often the gateway itself has retried meanwhile."""
    values: dict[str, Any] = {"due_at": until}
    if retries_seen is not None:
        values["gateway_retries"] = retries_seen
    session.execute(sa.update(retries).where(retries.c.id.in_(sorted(ids))).values(**values))


def forget_retries(session: Session, ids: Collection[int]) -> None:
    """Forget these retries, whose messages are no longer failed: if they fail again, that is news."""
    session.execute(sa.delete(retries).where(retries.c.id.in_(sorted(ids)), retries.c.began_at.is_(None)))


def drop_retries(session: Session, ids: Collection[int], reason: str) -> None:
    """Do not send these again after all."""
    session.execute(sa.update(retries).where(retries.c.id.in_(sorted(ids))).values(due_at=None, dropped=reason))


def drop_cancelled(session: Session, run_id: int) -> int:
    """Send nothing of a cancelled run again; return how many texts that concerns."""
    statement = sa.update(retries).where(retries.c.run_id == run_id, retries.c.due_at.is_not(None))
    return changed(session, statement.values(due_at=None, dropped="the campaign was cancelled"))


def begin_retries(
    session: Session, run_id: int, due: Sequence[DueRetry], *, reason: str, now: datetime, next_look_at: datetime
) -> int | None:
    """Make one batch of these people, who are pending again; return its id. None: nobody in it is still failed.

    The caller holds the run's lock; all of `due` belong to this run, and share device, zones and latest moment.
    """
    ordinal = session.scalars(sa.select(sa.func.max(batches.c.ordinal)).where(batches.c.run_id == run_id)).one() + 1
    batch = Batch(
        run_id=run_id,
        ordinal=ordinal,
        state=BatchState.PLANNED,
        zones=due[0].zones,
        moment=now,
        latest=due[0].latest,
        not_before=now,
        recipients=0,
        segments=0,
        avoid_device=due[0].device,
    )
    session.add(batch)
    session.flush()
    failed = sa.select(retries.c.gateway_id).where(
        retries.c.recipient_id == recipients.c.id, retries.c.id.in_(sorted(entry.id for entry in due))
    )
    moved = move_recipients(
        RecipientState.PENDING,
        recipients.c.id.in_(sorted(entry.recipient_id for entry in due)),
        recipients.c.state == RecipientState.FAILED,
        recipients.c.gateway_id == failed.scalar_subquery(),
        batch_id=batch.id,
        resent_count=recipients.c.resent_count + 1,
        reason=reason,
        **dict.fromkeys(_OF_THE_MESSAGE),
        gateway_retries=0,
    )
    back = set(session.scalars(moved.returning(recipients.c.id)))
    gone = [entry.id for entry in due if entry.recipient_id not in back]
    if gone:
        drop_retries(session, gone, "it was no longer reported as failed")
    if not back:
        session.execute(sa.delete(batches).where(batches.c.id == batch.id))
        return None
    begun = [entry for entry in due if entry.recipient_id in back]
    session.execute(
        sa.update(retries)
        .where(retries.c.id.in_(sorted(entry.id for entry in begun)))
        .values(due_at=None, began_at=now, next_look_at=next_look_at)
    )
    totals = {"recipients": len(begun), "segments": sum(entry.segments for entry in begun)}
    session.execute(sa.update(batches).where(batches.c.id == batch.id).values(**totals))
    reopen = move_run(RunState.RUNNING, runs.c.id == run_id, runs.c.state == RunState.SETTLING)
    session.execute(reopen.values(sent_at=None, followed_at=None))
    return batch.id


_OF_THE_MESSAGE: Final = (
    "gateway_id", "message_group_id", "device", "sim", "accepted_at", "sent_at", "delivered_at", "result_code",
)  # fmt: skip
"""What was known of the failed message: `Retry` keeps it, and the next message has its own."""
