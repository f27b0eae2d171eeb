"""Sending one batch: throttle, intent, one POST, outcome. The protocol itself; worker/README.md gives its reasons."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from campaigns.clock import Clock
from campaigns.codes import WaitsFor
from campaigns.definition import Definition
from campaigns.planning.frequency_cap import Cap, cap_of
from campaigns.timing.sending_hours import hours_of
from worker import tracing
from worker.crashpoints import reached
from worker.definitions import Definitions
from worker.gateway import Aborted, GatewayClient, GatewayError, OutgoingMessage, SendOption
from worker.limits.batch_limits import Limits
from worker.limits.limits_in_force import CeilingsInForce, PricesInForce
from worker.logs import get_logger
from worker.marker import Marker
from worker.sending.outcomes import COLLISION_PAUSE, RECORD_AGAIN, RECORD_WITHIN, Outcomes
from worker.sending.phones import ByPhones, Phones
from worker.sending.slots import SHORT_WAIT, GrantedSlot, Slots, Wait
from worker.sending.spending import BudgetKeeper
from worker.sending.taking_out import TakingOut
from worker.servers.troubles import Troubles
from worker.settings.settings import Settings
from worker.store.engine import Store
from worker.store.errors import DatabaseLost, Loss, is_away
from worker.store.sending import accepted_before, grants, queue
from worker.store.sending.claim import COME_BACK, UNDONE, NoIntent, Work, load_work
from worker.store.sending.intent import FoundMatch, Intent, may_still_send, record_intent
from worker.store.sending.outcome import conclude_batch
from worker.throttle import Throttle

IN_THE_WAY: Final = frozenset({"40P01", "55P03"})
"""PostgreSQL's codes for a transaction that it aborted to break a deadlock, and for a row that another one is changing
while a step may wait for nobody."""


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
        definitions: Definitions,
        gateway: GatewayClient,
        throttle: Throttle,
        clock: Clock,
        settings: Settings,
        limits: Limits,
        ceilings: CeilingsInForce,
        prices: PricesInForce,
        marker: Marker,
        troubles: Troubles,
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._clock = clock
        self._settings = settings
        self._marker = marker
        self._definitions = definitions
        self._policy = settings.policy
        self._troubles = troubles
        self._outcomes = Outcomes(store, clock, settings, troubles)
        self._phones = Phones(store, ceilings, clock, settings)
        self._taking_out = TakingOut(store, clock)
        self._spending = BudgetKeeper(store, prices, ceilings, clock, settings)
        self._slots = Slots(throttle, limits, ceilings, clock, settings, troubles)
        self._log = get_logger()

    def dispatch(self, batch_id: int) -> Dispatched:
        """Send the batch if it is due and allowed. Every outcome is stored; nothing is raised for a bad reply.

        If the database is away, this waits for it: otherwise the job would be lost, and its batch idle until it is
        rescued.
        """
        until = self._clock.elapsed_seconds() + RECORD_WITHIN.total_seconds()
        while True:
            try:
                return self._dispatch(batch_id)
            except (DBAPIError, DatabaseLost) as error:
                # Where an intent may have been stored, the next turn finds its batch under way and does nothing.
                if not is_away(error) or self._clock.elapsed_seconds() >= until:
                    raise
                self._troubles.failed("job", error, event="batch.waits_for_database", batch=batch_id)
            self._clock.sleep(RECORD_AGAIN.total_seconds())

    def _dispatch(self, batch_id: int) -> Dispatched:
        with self._store.look() as connection:
            work = load_work(connection, batch_id)
        if work is None:
            return Dispatched.NOTHING
        if work.in_doubt >= queue.DOUBTS_PER_ACCOUNT:
            # What was already in the queue must not follow the others into doubt.
            return self._snooze(batch_id, COLLISION_PAUSE, WaitsFor.DOUBT)
        definition = self._definitions.get(work.definition_id)
        now = self._clock.now()
        if work.latest is not None and now > work.latest:
            return Dispatched.NOTHING  # the scheduler decides what happens to its people
        opens = work.moment if now < work.moment else self._opens(definition, work, now)
        if opens is not None and opens - now <= (queue.LONGEST_LEAD if now < work.moment else SHORT_WAIT):
            self._clock.sleep((opens - now).total_seconds())  # it was queued a moment early
            now = self._clock.now()
            opens = self._opens(definition, work, now)
        if opens is not None and now < work.moment:
            return self._snooze(batch_id, None, WaitsFor.NOTHING)
        if opens is not None:
            return self._snooze(batch_id, opens - now, WaitsFor.WINDOW)
        earlier, cap = self._earlier(work, definition), cap_of(definition, work.zones, self._policy)
        found = self._taking_out.of(work, cap, earlier)
        if found is None:
            return Dispatched.NOTHING
        found = self._spending.within_budget(found, definition)
        chosen = None if found is None else self._phones.choose(found, definition)
        if chosen is None:
            return Dispatched.SNOOZED
        work = chosen.work
        slot = self._slots.take(work, definition, chosen.routes)
        if isinstance(slot, Wait):
            if slot.is_spent:
                return self._wait_for_budget(chosen, slot)
            return self._snooze(batch_id, slot.duration, WaitsFor.THROTTLE)
        # Counted from before the intent: a machine that is suspended during the commit must not gain time by it.
        deadline = self._clock.elapsed_seconds() + self._settings.send_by_seconds
        intent = self._promise(chosen, definition, slot, cap, earlier)
        if not isinstance(intent, Intent):
            self._slots.give_back(slot)
            waits_for = COME_BACK.get(intent)
            return self._snooze(batch_id, COLLISION_PAUSE, waits_for) if waits_for else Dispatched.NOTHING
        ids = {"run": intent.run_id, "batch": intent.batch_id, "recipients": len(intent.addressees)}
        with tracing.span("request", campaign=definition.campaign, **ids) as note:
            dispatched = self._post(intent, slot, definition, work, deadline)
            note(outcome=dispatched.value)
        self._slots.end(slot)
        if dispatched is Dispatched.NOT_SENT:
            self._slots.give_back(slot)
        return dispatched

    def _opens(self, definition: Definition, work: Work, now: datetime) -> datetime | None:
        """Return when the window and the operator's hours next allow the batch; None means now."""
        hours = hours_of(definition.schedule, work.zones, within=self._policy.hours_in_force(definition))
        if hours is None or hours.allowed(now):
            return None
        return hours.next_open(now) or now + timedelta(days=1)

    def _earlier(self, work: Work, definition: Definition) -> FoundMatch:
        return FoundMatch(
            accepted_before.sent_since(definition.schedule, work.run_type, work.run_moment, work.moment),
            definition.message,
            timedelta(seconds=self._settings.first_poll_seconds),
        )

    def _promise(
        self, chosen: ByPhones, definition: Definition, slot: GrantedSlot, cap: Cap | None, earlier: FoundMatch
    ) -> Intent | NoIntent:
        work, promised, target = chosen.work, self._marker.promised(), ",".join(slot.route.targets)
        try:
            with self._store.write("intent", is_short=True) as session:
                now = self._clock.now()
                bill = self._spending.bill(work, definition, target, now)
                if bill is None and self._spending.is_limited(definition):
                    return NoIntent.NO_PRICE
                intent = record_intent(
                    session,
                    work,
                    target=target,
                    granted_at=slot.at,
                    now=now,
                    send_by=timedelta(seconds=self._settings.send_by_seconds),
                    cap=cap,
                    people=chosen.limit,
                    earlier=earlier,
                    bill=bill,
                )
                if intent is NoIntent.NOTHING_LEFT:
                    # Everybody in it was settled elsewhere (`recover`): the batch must end too, or its run never does.
                    conclude_batch(session, work.batch_id, retry_at=self._clock.now())
                elif intent in UNDONE:
                    session.rollback()
                elif isinstance(intent, Intent) and intent.attempt_id <= promised:
                    raise self._store.lose(Loss.OLDER)  # ids only grow: it was restored while we ran
                return intent
        except (IntegrityError, OperationalError) as error:
            # Another worker just put one of the numbers in doubt, or two did crosswise and PostgreSQL aborted one.
            if isinstance(error, OperationalError) and getattr(error.orig, "sqlstate", "") not in IN_THE_WAY:
                raise
            return NoIntent.ALL_IN_DOUBT

    def _post(
        self, intent: Intent, slot: GrantedSlot, definition: Definition, work: Work, deadline: float
    ) -> Dispatched:
        def check() -> None:
            try:
                with self._store.look() as connection:
                    may_send = may_still_send(connection, intent)
            except (DBAPIError, DatabaseLost):
                raise Aborted("the database did not answer before the request was written") from None
            if not may_send:
                raise Aborted("the campaign or the account was stopped before the request was written")
            # Hold before checking the clocks, because holding takes time, and after the look, so that the look's time
            # is evened out, too: the request leaves at most 0.1 s after it was allowed, well within the second that a
            # stop is given.
            self._slots.hold(slot)
            if self._clock.elapsed_seconds() >= deadline:
                raise Aborted("the request was not written in time and will be made again")
            now = self._clock.now()
            if (work.latest is not None and now > work.latest) or self._opens(definition, work, now):
                raise Aborted("its sending hours, or its time, ended before the request was written")
            reached("post:before_first_byte")

        self._marker.advance(intent.attempt_id)
        reached("post:before_connect")
        log = self._log.bind(campaign=definition.campaign, batch=intent.batch_id, attempt=intent.number)
        option = SendOption[definition.devices.mode.name]
        start = definition.schedule.at_gateway
        scheduled = start if start is not None and start > self._clock.now() else None
        try:
            if intent.list_id is not None:
                reply = self._gateway.send_to_list(
                    intent.list_id,
                    definition.message,
                    targets=slot.route.targets,
                    option=option,
                    random_device=definition.devices.random,
                    schedule=scheduled,
                    before_first_byte=check,
                )
            else:
                reply = self._gateway.send_bulk(
                    [OutgoingMessage(a.number, a.text) for a in intent.addressees],
                    targets=slot.route.targets,
                    option=option,
                    random_device=definition.devices.random,
                    schedule=scheduled,
                    before_first_byte=check,
                )
        except GatewayError as error:
            reached("post:failed")
            sent = self._outcomes.record_failure(intent, error)
            log.warning("batch.failed", outcome=error.outcome.value, problem=str(error))
            return Dispatched.NOT_SENT if sent is False else Dispatched.IN_DOUBT
        reached("post:replied")
        text, kind, moment = definition.message, definition.kind, max(work.moment, scheduled or work.moment)
        self._outcomes.record_reply(intent, reply, text=text, sent_from=scheduled, kind=kind, moment=moment)
        log.info("batch.accepted", messages=len(reply.messages), left_out=len(reply.missing))
        return Dispatched.ACCEPTED

    def _wait_for_budget(self, chosen: ByPhones, wait: Wait) -> Dispatched:
        work, until = chosen.work, self._clock.now() + wait.duration
        its_phone = work.target if [route.level_key for route in chosen.routes] == [work.target] else ""
        if chosen.is_narrowed and not its_phone:
            return self._snooze(work.batch_id, wait.duration, WaitsFor.BUDGET)
        with self._store.write("budget_spent") as session:
            # All that go the same way at once: each batch would find the same, at the cost of a transaction.
            waiting = grants.postpone_run(session, work.run_id, until=until, target=its_phone)
        self._log.info("budget.spent", run=work.run_id, until=until.isoformat(), batches=waiting)
        return Dispatched.SNOOZED

    def _snooze(self, batch_id: int, wait: timedelta | None, waits_for: WaitsFor) -> Dispatched:
        """Give it back for so long; None: until its own moment."""
        until = None if wait is None else self._clock.now() + wait
        with self._store.write("snooze", is_short=True) as session:
            queue.snooze_batch(session, batch_id, until=until, waits_for=waits_for)
        return Dispatched.SNOOZED
