"""The phones of an account, as receipts show them: what waits there, what they sent, which are stuck."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import RecipientState
from worker.store.kept import phones
from worker.store.tables import groups, phone_counts, recipients, runs, stuck
from worker.store.transitions import changed

MOVED: Final = (RecipientState.SENT, RecipientState.DELIVERED, RecipientState.FAILED)
"""A phone that reports one of these works."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a device holds unsent, though it sent nothing newer: how many texts, since when, and above which ID.

    `oldest_at` is when the oldest one began to wait, None if there are none; what waits there is older than what it
    sent. `unsent` and `unsent_since` are the same of all texts that it has not sent yet.
    """

    device: int
    waiting: int
    oldest_at: datetime | None
    above_id: int
    unsent: int = 0
    unsent_since: datetime | None = None


_of_groups = groups.join(recipients, recipients.c.batch_id == groups.c.batch_id).join(
    runs, runs.c.id == recipients.c.run_id
)
# By the groups that are still polled, which are few: a run that is over costs nothing.
_followed = (
    groups.c.next_poll_at.is_not(None),
    recipients.c.device.is_not(None),
    recipients.c.gateway_id.is_not(None),
    runs.c.account_id == sa.bindparam("b_account"),
)
_waits = recipients.c.state == RecipientState.ACCEPTED
_of_this_group = recipients.c.message_group_id == groups.c.id  # a request may have several
_GROUPS: Final = sa.select(groups.c.id).where(groups.c.next_poll_at.is_not(None))
_FOLLOWED: Final = (
    sa.select(
        recipients.c.device,
        sa.func.min(sa.case((_waits, recipients.c.gateway_id))),
        sa.func.count(sa.case((sa.and_(_waits, _of_this_group), 1))),
        sa.func.min(sa.case((_waits, recipients.c.accepted_at))),
    )
    .select_from(_of_groups)
    .where(groups.c.id.in_(sa.bindparam("b_groups", expanding=True)), *_followed)
    .group_by(recipients.c.device)
)
_GROUPS_AT_ONCE: Final = 200
"""SQLite sorts in memory what it groups: all followed messages of a campaign of 400,000 took 9 MB."""
_device = recipients.c.device == sa.bindparam("b_device")
_above = recipients.c.gateway_id > sa.bindparam("b_above")
_NEWEST_MOVED: Final = (
    sa.select(recipients.c.gateway_id)
    .join(runs, runs.c.id == recipients.c.run_id)
    .where(runs.c.account_id == sa.bindparam("b_account"), _device, _above, recipients.c.state.in_(MOVED))
    .order_by(recipients.c.gateway_id.desc())
    .limit(1)
)
_stalled = (*_followed, _device, _above, _waits)
_STALLED: Final = (
    sa.select(sa.func.count(), sa.func.min(recipients.c.accepted_at)).select_from(_of_groups).where(*_stalled)
)


_ANY_FOLLOWED: Final = sa.select(sa.exists().where(groups.c.next_poll_at.is_not(None)))


def any_followed(session: Session) -> bool:
    """Return whether any message is waited for."""
    return bool(session.connection().execute(_ANY_FOLLOWED).scalar_one())


T = TypeVar("T", int, datetime)


def _least(one: T | None, other: T | None) -> T | None:
    return other if one is None else one if other is None else min(one, other)


def stalled_devices(session: Session, account_id: int) -> list[Waiting]:
    """Return every device with messages that are still followed, and what waits there behind everything it sent."""
    connection = session.connection()
    held: dict[int, tuple[int | None, int, datetime | None]] = {}
    followed = connection.execute(_GROUPS, execution_options={"yield_per": _GROUPS_AT_ONCE})
    for part in followed.scalars().partitions():
        for device, id_, unsent, since in connection.execute(_FOLLOWED, {"b_account": account_id, "b_groups": part}):
            first, before, earliest = held.get(device, (None, 0, None))
            held[device] = _least(first, id_), before + unsent, _least(earliest, since)
    found = []
    for device, (oldest_id, unsent, since) in held.items():
        if oldest_id is None:
            found.append(Waiting(device, 0, None, 0))
            continue
        of_device = {"b_account": account_id, "b_device": device}
        above = connection.execute(_NEWEST_MOVED, of_device | {"b_above": oldest_id - 1}).scalar() or oldest_id - 1
        count, oldest_at = connection.execute(_STALLED, of_device | {"b_above": above}).one()
        found.append(Waiting(device, count, oldest_at, above, unsent, since))
    return found


def sample_stalled(session: Session, account_id: int, device: Waiting, *, most: int) -> list[int]:
    """Return gateway IDs of texts that wait on a device: half of them the oldest, half the newest."""
    waiting = sa.select(recipients.c.gateway_id).select_from(_of_groups).where(*_stalled).limit(max(1, most // 2))
    of_device = {"b_account": account_id, "b_device": device.device, "b_above": device.above_id}
    ids: set[int] = set()
    for order in (recipients.c.gateway_id.asc(), recipients.c.gateway_id.desc()):
        ids.update(session.connection().execute(waiting.order_by(order), of_device).scalars())
    return sorted(ids)


@dataclass(frozen=True, slots=True)
class Stuck:
    """A device that sends nothing: `waiting` texts, the oldest since `oldest_at`; noticed at `since`."""

    device: int
    waiting: int
    oldest_at: datetime
    since: datetime


_STUCK: Final = (
    sa.select(stuck.c.device, stuck.c.waiting, stuck.c.oldest_at, stuck.c.since)
    .where(stuck.c.account_id == sa.bindparam("b_account"))
    .order_by(stuck.c.device)
)


def stuck_devices(session: Session, account_id: int) -> list[Stuck]:
    """Return the devices of the account that are stuck now."""
    return [Stuck(*row) for row in session.connection().execute(_STUCK, {"b_account": account_id})]


def record_stuck(session: Session, account_id: int, device: Waiting, *, now: datetime) -> bool:
    """Record that a device sends nothing. Returns True if that is news."""
    values = {"waiting": device.waiting, "oldest_at": device.oldest_at or now}
    mine = (stuck.c.account_id == account_id, stuck.c.device == device.device)
    if changed(session, sa.update(stuck).where(*mine).values(**values)):
        return False
    session.execute(sa.insert(stuck).values(account_id=account_id, device=device.device, since=now, **values))
    return True


def forget_stuck(session: Session, account_id: int, device: int) -> bool:
    """Record that a device sends again. Returns False if it was not stuck."""
    mine = (stuck.c.account_id == account_id, stuck.c.device == device)
    return bool(changed(session, sa.delete(stuck).where(*mine)))


def waiting_of_runs(session: Session, run_ids: Collection[int], devices: Collection[int]) -> dict[int, int]:
    """Return how many texts of these runs each device holds unsent; a device that holds none is left out."""
    query = (
        sa.select(recipients.c.device, sa.func.count())
        .where(recipients.c.run_id.in_(sorted(run_ids)), _waits, recipients.c.device.in_(sorted(devices)))
        .group_by(recipients.c.device)
    )
    return {device: count for device, count in session.execute(query)}  # noqa: C416 - dict() takes no rows, by mypy


@dataclass(frozen=True, slots=True)
class DeviceView:
    """Everything known of a device or SIM: texts that wait there, texts it sent, and when it sent the last one."""

    device: int
    sim: int | None
    waiting: int
    sent: int
    failed: int
    last_sent_at: datetime | None


def devices_seen(session: Session, account_id: int) -> list[DeviceView]:
    """Return every device and SIM that the account's messages went by, in order, from what is kept about them."""

    def kept(figure: str) -> sa.ColumnElement[int]:
        return sa.cast(
            sa.func.sum(sa.case((phone_counts.c.figure == figure, phone_counts.c.amount), else_=0)), sa.BigInteger
        )

    query = (
        sa.select(
            phone_counts.c.device,
            sa.func.nullif(phone_counts.c.sim, phones.NO_SIM),
            kept(phones.WAITING),
            kept(phones.SENT),
            kept(phones.FAILED),
            sa.func.max(phone_counts.c.last_at),
        )
        .where(phone_counts.c.account_id == account_id)
        .group_by(phone_counts.c.device, phone_counts.c.sim)
        .having(sa.func.sum(phone_counts.c.amount) > 0)
        .order_by(phone_counts.c.device, phone_counts.c.sim)
    )
    return [DeviceView(*row) for row in session.connection().execute(query)]
