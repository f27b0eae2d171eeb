"""Sending one batch: throttle, intent, one POST, outcome. The protocol itself; its reasons are in worker/README.md."""

from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Final

from sqlalchemy.exc import IntegrityError, OperationalError

from campaigns.clock import Clock
from campaigns.definition import Definition
from worker.crashpoints import reached
from worker.definitions import Definitions
from worker.gateway import Aborted, GatewayClient, GatewayError, OutgoingMessage, SendOption
from worker.limits import Route, levels, routes
from worker.logs import get_logger
from worker.marker import Marker
from worker.outcomes import Outcomes
from worker.settings import Settings
from worker.store import queue, sending
from worker.store.engine import Store
from worker.throttle import Throttle, ThrottleUnavailable

SLEEP_AT_MOST: Final = timedelta(seconds=0.5)
"""A longer wait for the throttle gives the thread to another batch instead of sleeping in it."""

COLLISION_PAUSE: Final = timedelta(seconds=2)
"""How long people wait whose number is in doubt in another request."""

THROTTLE_PAUSE: Final = timedelta(seconds=2)
"""How long a batch waits when the throttle cannot be asked: it fails closed."""


DEADLOCK: Final = "40P01"
"""PostgreSQL's code for a transaction that it ended to break a deadlock."""


class Dispatched(StrEnum):
    """What `dispatch` did with a batch."""

    ACCEPTED = "accepted"
    NOT_SENT = "not_sent"
    IN_DOUBT = "in_doubt"
    SNOOZED = "snoozed"
    NOTHING = "nothing"


class Dispatcher:
    """Sends batches by id. Safe to call for any id, any number of times, from any thread and process."""

    def __init__(
        self,
        *,
        store: Store,
        gateway: GatewayClient,
        throttle: Throttle,
        clock: Clock,
        settings: Settings,
        account_key: str,
        marker: Marker,
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._throttle = throttle
        self._clock = clock
        self._settings = settings
        self._marker = marker
        self._definitions = Definitions(store)
        self._levels = partial(levels, settings, account_key)
        self._outcomes = Outcomes(store, clock, settings)
        self._log = get_logger()

    def dispatch(self, batch_id: int) -> Dispatched:
        """Send the batch if it is due and allowed. Every outcome is stored; nothing is raised for a bad reply."""
        with self._store.read() as session:
            work = sending.load_work(session, batch_id)
            is_stuck = work is not None and queue.has_too_much_in_doubt(session, work.account_id)
        if work is None:
            return Dispatched.NOTHING
        if is_stuck:  # what was in the queue already must not follow the others into doubt
            return self._snooze(batch_id, COLLISION_PAUSE, "too many requests in doubt")
        definition = self._definitions.get(work.definition_id)
        now = self._clock.now()
        window = definition.schedule.window
        if window is not None and not window.contains(now, definition.schedule.zone):
            return self._snooze(batch_id, window.next_open(now, definition.schedule.zone) - now, "outside the window")
        granted = self._take_slot(work, definition)
        if not isinstance(granted, Route):
            return self._snooze(batch_id, granted, "waiting for the throttle")
        # From before the intent: a machine that is suspended while the commit is under way must not gain time by it.
        deadline = self._clock.elapsed_seconds() + self._settings.send_by_seconds
        intent = self._promise(work, granted)
        if intent is sending.NoIntent.ALL_IN_DOUBT:
            return self._snooze(batch_id, COLLISION_PAUSE, intent.value)
        if not isinstance(intent, sending.Intent):
            return Dispatched.NOTHING
        return self._post(intent, granted, definition, deadline)

    def _take_slot(self, work: sending.Work, definition: Definition) -> Route | timedelta:
        """A route whose levels all granted the batch's segments now; else how long to wait before asking again."""
        ways = routes(definition, first=work.ordinal)
        slept = timedelta(0)
        while True:
            shortest: timedelta | None = None
            for route in ways:
                try:
                    reservation = self._throttle.reserve(work.segments, self._levels(definition, work.run_id, route))
                except ThrottleUnavailable:
                    self._log.warning("throttle.unavailable", batch=work.batch_id)
                    return THROTTLE_PAUSE
                if reservation.is_granted:
                    return route
                shortest = reservation.wait if shortest is None else min(shortest, reservation.wait)
            wait = shortest or SLEEP_AT_MOST
            if slept + wait > SLEEP_AT_MOST:
                return wait
            self._clock.sleep(wait.total_seconds())
            slept += wait

    def _promise(self, work: sending.Work, route: Route) -> sending.Intent | sending.NoIntent:
        try:
            with self._store.write("intent") as session:
                intent = sending.record_intent(
                    session,
                    work,
                    target=",".join(route.targets),
                    now=self._clock.now(),
                    send_by=timedelta(seconds=self._settings.send_by_seconds),
                )
                if intent is sending.NoIntent.NOTHING_LEFT:
                    # Everybody in it found an end elsewhere (`recover`): so must the batch, or its run never ends.
                    sending.conclude_batch(session, work.batch_id, retry_at=self._clock.now())
                elif not isinstance(intent, sending.Intent):
                    session.rollback()
                return intent
        except (IntegrityError, OperationalError) as error:
            # Another worker put one of the numbers in doubt just now; or two did crosswise, and PostgreSQL ended one.
            if isinstance(error, OperationalError) and getattr(error.orig, "sqlstate", "") != DEADLOCK:
                raise
            return sending.NoIntent.ALL_IN_DOUBT

    def _post(self, intent: sending.Intent, route: Route, definition: Definition, deadline: float) -> Dispatched:
        def check() -> None:
            if self._clock.elapsed_seconds() >= deadline:
                raise Aborted("the request was not written in time and will be made again")
            with self._store.read() as session:
                if not sending.may_still_send(session, intent):
                    raise Aborted("the campaign or the account was stopped before the request was written")
            reached("post:before_first_byte")

        self._marker.advance(intent.attempt_id)
        reached("post:before_connect")
        log = self._log.bind(campaign=definition.campaign, batch=intent.batch_id, attempt=intent.number)
        option = SendOption[definition.devices.mode.name]
        try:
            if intent.list_id is not None:
                reply = self._gateway.send_to_list(
                    intent.list_id,
                    definition.message,
                    targets=route.targets,
                    option=option,
                    random_device=definition.devices.random,
                    before_first_byte=check,
                )
            else:
                reply = self._gateway.send_bulk(
                    [OutgoingMessage(a.number, a.text) for a in intent.addressees],
                    targets=route.targets,
                    option=option,
                    random_device=definition.devices.random,
                    before_first_byte=check,
                )
        except GatewayError as error:
            reached("post:failed")
            sent = self._outcomes.record_failure(intent, error)
            log.warning("batch.failed", outcome=error.outcome.value, problem=str(error))
            return Dispatched.NOT_SENT if sent is False else Dispatched.IN_DOUBT
        reached("post:replied")
        self._outcomes.record_reply(intent, reply, text=definition.message)
        log.info("batch.accepted", messages=len(reply.messages), left_out=len(reply.missing))
        return Dispatched.ACCEPTED

    def _snooze(self, batch_id: int, wait: timedelta, reason: str) -> Dispatched:
        with self._store.write("snooze") as session:
            queue.snooze_batch(session, batch_id, until=self._clock.now() + wait, reason=reason)
        return Dispatched.SNOOZED
