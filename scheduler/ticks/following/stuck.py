"""Phones that hold texts and send none: noticed, skipped in later requests, and used again once they send."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from campaigns.following.stuck import suspects
from scheduler.receipts.storing import store_receipts
from scheduler.ticks.every import Every
from worker import metrics
from worker.gateway import GatewayError, MessageStatus
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.events import EventName, record_event
from worker.store.following import devices
from worker.store.following.devices import Waiting

SAMPLE: Final = 6
"""How many texts of a suspect are read before it is called stuck: what is known about them may be half an hour old."""

LOOK_AGAIN: Final = timedelta(seconds=30)
"""How long to rest after a look: counting what waits reads everything that is followed."""

UNSENT: Final = frozenset({MessageStatus.PENDING, MessageStatus.QUEUED})


@dataclass(slots=True)
class StuckTick:
    """Finds which phones are stuck, and which no longer are."""

    look: Every = field(default_factory=Every)

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        limit = timedelta(seconds=runtime.settings.stuck_after_seconds)
        with runtime.store.read() as session:
            known = {device.device for device in devices.stuck_devices(session, runtime.account_id)}
            if not known and not devices.any_followed(session):
                _show([], known, now)
                return {"stuck": 0}
            if not self._is_time(runtime, limit):
                return {"stuck": len(known)}
            waiting = {entry.device: entry for entry in devices.stalled_devices(session, runtime.account_id)}
        ages = {device: now - entry.oldest_at if entry.oldest_at else timedelta(0) for device, entry in waiting.items()}
        found = suspects(ages, limit=limit) | (known & waiting.keys())
        still = {device for device in found if _sends_nothing(runtime, waiting[device], is_known=device in known)}
        _show(waiting.values(), still, now)
        return {"stuck": _record(runtime, [waiting[device] for device in sorted(still)], known - still, now)}

    def _is_time(self, runtime: Runtime, limit: timedelta) -> bool:
        """Return whether it is time: a tenth of the limit between two looks, at most half a minute."""
        at = runtime.clock.elapsed_seconds()
        if not self.look.is_due(at):
            return False
        self.look.rest(at, min(LOOK_AGAIN, limit / 10).total_seconds())
        return True


def _show(phones: Iterable[Waiting], stuck: set[int], now: datetime) -> None:
    """Show what phones hold; a phone whose texts are all followed to their end is left out."""
    held = {(metrics.device_label(phone.device),): phone for phone in phones}
    ages = {label: (now - phone.unsent_since).total_seconds() for label, phone in held.items() if phone.unsent_since}
    metrics.set_gauge(metrics.DEVICE_WAITING, {label: phone.unsent for label, phone in held.items()})
    metrics.set_gauge(metrics.DEVICE_OLDEST, {label: ages.get(label, 0.0) for label in held})
    metrics.set_gauge(metrics.DEVICE_STUCK, {label: phone.device in stuck for label, phone in held.items()})


def _sends_nothing(runtime: Runtime, device: Waiting, *, is_known: bool) -> bool:
    """Return whether the gateway still shows a whole sample as unsent. A failed read changes nothing about a phone."""
    with runtime.store.read() as session:
        ids = devices.sample_stalled(session, runtime.account_id, device, most=SAMPLE)
    if not ids:
        return False
    try:
        messages = [runtime.gateway.read_message(id_) for id_ in ids]
    except GatewayError as error:
        get_logger().warning("device.not_read", device=device.device, problem=str(error))
        return is_known
    shown = [message for message in messages if message is not None]
    if shown:
        store_receipts(runtime, shown)
    return bool(shown) and all(message.status in UNSENT for message in shown)


def _record(runtime: Runtime, still: Sequence[Waiting], moving: set[int], now: datetime) -> int:
    if not still and not moving:
        return 0
    with runtime.store.write("stuck") as session:
        for device in still:
            if devices.record_stuck(session, runtime.account_id, device, now=now):
                detail = {"device": device.device, "waiting": device.waiting}
                record_event(session, EventName.DEVICE_STUCK, now, detail=detail)
                get_logger().warning("device.stuck", **detail)
        for number in sorted(moving):
            if devices.forget_stuck(session, runtime.account_id, number):
                record_event(session, EventName.DEVICE_MOVES, now, detail={"device": number})
                get_logger().info("device.moves", device=number)
    return len(still)
