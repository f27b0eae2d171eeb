"""Recording the outcome of a request: the one transaction after it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.clock import Clock
from campaigns.codes import FailureCode, PausedBy, WaitsFor
from campaigns.lifecycle import RecipientState
from campaigns.message.segments import segmentation
from campaigns.protocol.matching import same_number
from campaigns.sending.backoff import reconnect_after
from worker import metrics
from worker.gateway import GatewayError, SendOutcome, SendReply
from worker.gateway.classify import has_numbers
from worker.gateway.results import Message
from worker.logs import get_logger
from worker.servers.conditions import detail_of
from worker.servers.troubles import Troubles
from worker.settings.settings import Settings
from worker.store.engine import Store
from worker.store.errors import DatabaseLost, is_away
from worker.store.events import EventName, record_event
from worker.store.money import charges
from worker.store.sending import accounts
from worker.store.sending.accepted_before import spelt
from worker.store.sending.intent import Addressee, Intent
from worker.store.sending.outcome import (
    Listed,
    Placed,
    close_attempt,
    fail_in_doubt,
    mark_unknown,
    postpone_batch,
    record_accepted,
    record_list_accepted,
    release,
)

COLLISION_PAUSE: Final = timedelta(seconds=2)
"""How long people wait when their number is in doubt in another request."""

PROBE_SOON: Final = timedelta(seconds=15)
"""An unreachable gateway is probed again after this time."""

PROBE_LATER: Final = timedelta(seconds=60)
"""A refused account (key, credits) is probed again after this time."""

RECORD_WITHIN: Final = timedelta(seconds=15)
"""How long an outcome may wait for a database that is away: a restart takes less, and a stop waits for 25 s.

An outcome that is not stored by then is looked up as if its process had died: nothing is lost, and nothing is posted
again.
"""

RECORD_AGAIN: Final = timedelta(seconds=0.25)

LEFT_OUT: Final = "left out by the gateway"


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Accepted:
    """The texts of a request that the gateway has, as (device, segments), and how many it left out.

    `costs`: what they cost, as (device, millionths), if anything counts that.
    """

    texts: list[tuple[int | None, int]]
    left_out: int = 0
    costs: Sequence[tuple[int | None, int]] = ()


class Outcomes:
    """Stores the outcome of a request, exactly once, whatever it is."""

    def __init__(self, store: Store, clock: Clock, settings: Settings, troubles: Troubles) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._troubles = troubles
        self._rng = random.Random()  # noqa: S311 - jitter, not a secret

    def record_reply(
        self,
        intent: Intent,
        reply: SendReply,
        *,
        text: str,
        sent_from: datetime | None = None,
        kind: str = "",
        moment: datetime | None = None,
    ) -> None:
        """Record a reply: the gateway has its messages. `text` is the text sent to a contact list.

        `sent_from`: when the gateway sends them, if not at once; before that there is nothing to follow. `kind` and
        `moment`: of the campaign, and when its people's texts were due, for the metrics.
        """
        accepted = self._persistently(lambda: self._record_reply(intent, reply, text, sent_from))
        if accepted is None:
            return
        metrics.count_accepted(kind, accepted.texts)
        if intent.bill is not None:
            metrics.count_spent(intent.bill.currency, accepted.costs)
        metrics.count_texts(kind, RecipientState.FAILED, None, accepted.left_out)
        if moment is not None:
            metrics.observe(metrics.LATENESS, (self._clock.now() - moment).total_seconds(), kind)

    def record_failure(self, intent: Intent, error: GatewayError) -> bool:
        """Record a request that did not end well. Returns False if it was proven not sent, and True if it is in doubt.

        If not sent, its people are pending again. A refusal is also in doubt until it has been looked up once: a wrong
        row in the classifier's table then costs a read instead of a double text.
        """
        is_in_doubt = self._persistently(lambda: self._record_failure(intent, error))
        metrics.count(metrics.IN_DOUBT, amount=is_in_doubt)
        return is_in_doubt

    def _persistently(self, record: Callable[[], T]) -> T:
        """Retry the record while the database comes back. Only the first of two counts: an attempt is closed once."""
        until = self._clock.elapsed_seconds() + RECORD_WITHIN.total_seconds()
        waits = False
        while True:
            try:
                recorded = record()
            except (sa.exc.DBAPIError, DatabaseLost) as error:
                if not is_away(error) or self._clock.elapsed_seconds() >= until:
                    raise
                self._troubles.failed("outcome", error)
                if not waits:  # one line per request: while the database is away no further request is made
                    waits = True
                    get_logger().info("outcome.not_stored_yet", problem=detail_of(error))
            else:
                self._troubles.worked("outcome")
                return recorded
            self._clock.sleep(RECORD_AGAIN.total_seconds())

    def _record_reply(
        self, intent: Intent, reply: SendReply, text: str, sent_from: datetime | None
    ) -> "_Accepted | None":
        now = self._clock.now()
        first_poll_at = max(now, sent_from or now) + timedelta(seconds=self._settings.first_poll_seconds)
        evidence = {"messages": len(reply.messages), "left_out": len(reply.missing)}
        with self._store.write("reply", is_short=True) as session:
            if not close_attempt(session, intent.attempt_id, outcome="accepted", evidence=evidence, now=now):
                # Reconciling decided while we waited. Its decision stands; a late reply is never applied blindly.
                record_event(
                    session,
                    EventName.REPLY_CAME_LATE,
                    now,
                    run_id=intent.run_id,
                    batch_id=intent.batch_id,
                    attempt_id=intent.attempt_id,
                    detail=evidence,
                )
                return None
            if any(message.id <= intent.id_floor for message in reply.messages):
                accounts.stop_for_new_gateway(session, intent.account_id, now=now)
            if intent.list_id is not None:
                accounts.note_answer(session, intent.account_id)
                record_list_accepted(
                    session, intent, [listed(m, text) for m in reply.messages], now=now, first_poll_at=first_poll_at
                )
                length = segmentation(text).segments
                costs = _costs(session, intent)
                return _Accepted([(message.device, length) for message in reply.messages], costs=costs)
            placed, left_out = place(intent.addressees, reply.messages)
            # They stay charged: gateways were seen to leave people out of a reply who had their text all the same.
            fail_in_doubt(session, left_out, LEFT_OUT)
            record_accepted(
                session,
                intent,
                placed,
                now=now,
                first_poll_at=first_poll_at,
                retry_at=now + COLLISION_PAUSE,
                has_answered=True,
            )
            costs = _costs(session, intent)
        lengths = {a.id: a.segments for a in intent.addressees}
        return _Accepted([(p.device, lengths[p.recipient_id]) for p in placed], len(left_out), costs)

    def _record_failure(self, intent: Intent, error: GatewayError) -> bool:
        now = self._clock.now()
        evidence = {**error.evidence, "problem": str(error)}
        with self._store.write("failure", is_short=True) as session:
            if error.outcome is SendOutcome.NOT_SENT:
                self._release(session, intent, error, evidence)
                return False
            mark_unknown(
                session,
                intent,
                outcome=error.outcome.value,
                evidence=evidence,
                next_check_at=now + (error.retry_after or timedelta(0)),
                now=now,
            )
            is_throttled = error.outcome is SendOutcome.THROTTLED
            if error.account_problem or (
                is_throttled and accounts.count_failure(session, intent.account_id) >= accounts.FAILURES_TO_PAUSE
            ):
                probe_at = now + max(PROBE_LATER, error.retry_after or PROBE_LATER)
                accounts.pause_account(
                    session, intent.account_id, PausedBy.GATEWAY, str(error), now=now, probe_at=probe_at
                )
            return True

    def _release(self, session: Session, intent: Intent, error: GatewayError, evidence: dict[str, object]) -> None:
        now = self._clock.now()
        if not close_attempt(session, intent.attempt_id, outcome="not_sent", evidence=evidence, now=now):
            return
        people = [a.id for a in intent.addressees]
        release(session, people, "")
        if intent.bill is not None:
            charges.refund(session, intent.attempt_id, people)
        if error.failure is FailureCode.ABORTED:
            postpone_batch(session, intent.batch_id, until=now, waits_for=WaitsFor.RETRY, reason=str(error))
            return
        failures = accounts.count_failure(session, intent.account_id)
        until = now + reconnect_after(failures, self._rng)
        postpone_batch(session, intent.batch_id, until=until, waits_for=WaitsFor.BACK_OFF, reason=str(error))
        if failures >= accounts.FAILURES_TO_PAUSE:
            probe_at = now + PROBE_SOON
            accounts.pause_account(session, intent.account_id, PausedBy.GATEWAY, str(error), now=now, probe_at=probe_at)


def _costs(session: Session, intent: Intent) -> Sequence[tuple[int | None, int]]:
    return charges.by_device(session, intent.attempt_id) if intent.bill is not None and metrics.is_on() else ()


def place(addressees: Sequence[Addressee], messages: Sequence[Message]) -> tuple[list[Placed], list[int]]:
    """Match every message of a reply to its recipient, by number; also return the recipients that it left out."""
    if has_numbers(messages, [a.number for a in addressees]):
        return [placed_of(a.id, message) for a, message in zip(addressees, messages, strict=True)], []
    if has_numbers(messages, [a.number for a in addressees]):
        return [placed_of(a.id, message) for a, message in zip(addressees, messages, strict=True)], []
    waiting = {same_number(a.number): a.id for a in addressees}
    placed = [placed_of(waiting.pop(key), m) for m in messages if (key := same_number(m.number)) in waiting]
    return placed, list(waiting.values())


def placed_of(recipient_id: int, message: Message) -> Placed:
    """Return what this message says about its recipient."""
    return Placed(recipient_id, message.id, message.group_id, message.device, message.sim)


def listed(message: Message, text: str) -> Listed:
    """Return a person from a contact list, who is known only now."""
    return Listed(spelt(message.number), text, placed_of(0, message))
