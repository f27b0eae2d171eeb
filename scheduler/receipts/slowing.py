"""Phones that report "limit exceeded" are slowed down one by one, until each has found its pace again."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session

from campaigns.definition import Rate
from campaigns.following.results import LIMIT_EXCEEDED
from campaigns.sending.slowing import USUAL, slower
from worker.gateway import MessageStatus
from worker.gateway.results import Message
from worker.limits.batch_limits import routes
from worker.limits.limits_in_force import Ceilings
from worker.limits.live_limits import slowdowns
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.events import EventName, record_event
from worker.store.sending import account_limits

LATELY: Final = timedelta(minutes=5)
"""A device without a rate is assumed to have the pace of this last stretch of time."""

REASON: Final = "its phone reported that its limit of texts is exceeded"


def slow_down(
    runtime: Runtime, session: Session, messages: Sequence[Message], *, in_force: Ceilings, now: datetime
) -> None:
    """Lower the rate of every device whose phone reports for the first time that its limit is exceeded.

    Call it before the receipts are applied, in their transaction: afterwards they are no longer new.
    """
    refused = [m.id for m in messages if m.status is MessageStatus.FAILED and m.result_code == LIMIT_EXCEEDED]
    if not refused:
        return
    ways = account_limits.sent_by(session, runtime.account_id, refused)
    # Use one name for one device, whichever campaigns it was reported for.
    targets = {
        route.level_key: target
        for definition_id, target in ways
        for route in routes(runtime.definitions.get(definition_id), first=0)
        if ",".join(route.targets) == target
    }
    before = slowdowns(account_limits.ceilings_of(session, runtime.account_id)) if targets else {}
    for device, target in sorted(targets.items()):
        slowdown = slower(_pace(session, runtime.account_id, in_force, device, target, now), now, before.get(device))
        if slowdown is None:
            continue
        account_limits.set_ceiling(
            session,
            runtime.account_id,
            f"{account_limits.DEVICE}{device}",
            account_limits.RECEIPTS,
            now=now,
            rate=str(slowdown.rate),
            until=slowdown.until,
            reason=REASON,
        )
        record_event(
            session,
            EventName.DEVICE_SLOWED,
            now,
            detail={"device": device, "rate": str(slowdown.rate), "until": slowdown.until.isoformat()},
        )
        get_logger().warning("device.slowed", device=device, rate=str(slowdown.rate), until=slowdown.until.isoformat())


def _pace(session: Session, account_id: int, in_force: Ceilings, device: str, target: str, now: datetime) -> Rate:
    """Return the rate in force of a device; without one, its recent pace."""
    rate = in_force.device_rates.get(device, in_force.device_rate)
    if rate is not None:
        return rate
    lately = account_limits.sent_lately(session, account_id, target, since=now - LATELY)
    return Rate(max(1, lately * timedelta(minutes=1) // LATELY), timedelta(minutes=1)) if lately else USUAL
