"""Slots of the throttle: taken at the moment of use, given back if nothing was sent."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final

from campaigns.clock import Clock
from campaigns.definition import Definition, Kind
from worker.limits.batch_limits import Limits, Route
from worker.limits.limits_in_force import CeilingsInForce
from worker.sending.spacing import GrantSpacing
from worker.servers.troubles import Troubles
from worker.settings.settings import Settings
from worker.store.sending import queue
from worker.store.sending.claim import Work
from worker.throttle import Limit, Throttle, ThrottleUnavailable

SLEEP_AT_MOST: Final = timedelta(seconds=0.5)
"""For a longer wait, the thread takes another batch instead of sleeping."""

SHORT_WAIT: Final = queue.ENQUEUE_AHEAD
"""A wait up to this is always slept. At most half of the threads sleep longer: otherwise slow campaigns, each with a
sleeping job, would take all threads from a fast one."""

THROTTLE_PAUSE: Final = timedelta(seconds=2)
"""How long a batch waits when the throttle cannot be asked: sending fails closed."""


@dataclass(frozen=True, slots=True)
class GrantedSlot:
    """A grant of the throttle: `segments` on a route, at a moment of its clock.

    `lead_until`: when to write the request, in our `elapsed_seconds`.
    """

    route: Route
    limits: list[Limit]
    segments: int
    at: datetime
    lead_until: float


@dataclass(frozen=True, slots=True)
class Wait:
    """The throttle granted nothing. `is_spent`: a budget is spent until the end of its period."""

    duration: timedelta
    is_spent: bool = False


class Slots:
    """Takes a slot for a batch, or says how long to wait for one. Shared by all threads of the process."""

    def __init__(
        self,
        throttle: Throttle,
        limits: Limits,
        ceilings: CeilingsInForce,
        clock: Clock,
        settings: Settings,
        troubles: Troubles,
    ) -> None:
        self._throttle = throttle
        self._limits = limits
        self._ceilings = ceilings
        self._clock = clock
        self._troubles = troubles
        self._leads = GrantSpacing(clock, settings.threads)
        self._long_waits = threading.BoundedSemaphore(max(1, settings.threads // 2))

    def take(self, work: Work, definition: Definition, ways: Sequence[Route]) -> GrantedSlot | Wait:
        """Return one of these routes whose limits all granted the batch's segments now, or how long to wait."""
        is_urgent = definition.kind is Kind.TRANSACTIONAL  # somebody waits for it, perhaps for a code
        slept = timedelta(0)
        while True:
            waits = []
            for route in ways:
                limits = self._limits.of(
                    self._ceilings.current(), definition, work.run_id, route, now=self._clock.now()
                )
                try:
                    reservation = self._throttle.reserve(work.segments, limits, is_urgent=is_urgent)
                except ThrottleUnavailable as error:
                    self._troubles.failed("throttle", error, event="throttle.unavailable", batch=work.batch_id)
                    return Wait(THROTTLE_PAUSE)
                self._troubles.worked("throttle")
                if reservation.is_granted:
                    lead_until = self._leads.begin(limits, has_waited=bool(slept))
                    return GrantedSlot(route, limits, work.segments, reservation.at, lead_until)
                waits.append(Wait(reservation.wait, reservation.is_spent))
            wait = min(waits, key=attrgetter("duration"))
            if slept + wait.duration > SLEEP_AT_MOST or not self._sleep(wait.duration):
                return wait
            slept += wait.duration

    def _sleep(self, duration: timedelta) -> bool:
        """Sleep in this thread; return False if enough other threads sleep."""
        is_short = duration <= SHORT_WAIT
        if not is_short and not self._long_waits.acquire(blocking=False):
            return False
        try:
            self._clock.sleep(duration.total_seconds())
        finally:
            if not is_short:
                self._long_waits.release()
        return True

    def give_back(self, slot: GrantedSlot) -> None:
        """Give the slot back: nothing was sent, so others may have it."""
        try:
            self._throttle.give_back(slot.segments, slot.limits, slot.at)
        except ThrottleUnavailable as error:  # the segments stay spent: never above the limit
            self._troubles.failed("throttle", error, event="throttle.unavailable", segments=slot.segments)

    def hold(self, slot: GrantedSlot) -> None:
        """Wait until this slot's request is due to be written."""
        self._leads.hold(slot.lead_until)

    def end(self, slot: GrantedSlot) -> None:
        """Record that the thread of this slot's request is free again."""
        self._leads.end(slot.lead_until)
