"""Sends notifications that are due: several targets at once, each its own notices one by one."""

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sqlmodel import Session

from campaigns.clock import Clock
from campaigns.display import utc
from campaigns.sending.backoff import notice_after
from scheduler.notifications.command import run_command
from scheduler.notifications.mail import send_mail
from scheduler.notifications.outcome import DeliveryResult
from scheduler.notifications.reports import letter, subject
from scheduler.notifications.targets import Channel, Target, of_settings
from scheduler.notifications.webhook import Webhooks, place
from worker import metrics
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.settings.settings import Settings, SettingsError
from worker.store.engine import Store
from worker.store.events import EventName, record_event
from worker.store.notifications import outbox
from worker.store.notifications.calls import LoggedCall, record_call
from worker.store.notifications.outbox import DueNotice

AT_ONCE: Final = 4
"""How many targets are notified at the same time: each may need a connection to the database."""

MOST_CLAIMED: Final = 200
"""Notices looked at in one go."""

TURN_SECONDS: Final = 10.0
"""How long one target gets one notice after the other before the next look."""

CLAIM: Final = timedelta(seconds=60)
"""For a process that was killed meanwhile: the notice is then sent again. Longer than a turn and its last call."""

GIVE_UP_AFTER: Final = timedelta(days=3)

_rng = random.Random()  # noqa: S311 - jitter, not a secret


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """How many notices were delivered, and how many were not."""

    taken: int = 0
    failed: int = 0

    def __add__(self, other: "DeliveryCounts") -> "DeliveryCounts":
        return DeliveryCounts(self.taken + other.taken, self.failed + other.failed)


@dataclass(frozen=True, slots=True)
class Call:
    """One try: when it began, how many seconds it took, how it ended."""

    at: datetime
    seconds: float
    outcome: DeliveryResult


def deliver(runtime: Runtime, resting: dict[Target, float]) -> DeliveryCounts:
    """Send all notices that are due. A slow target delays only its own notices.

    `resting`: targets that are away, and when to try them again, by the monotonic clock; updated here.
    """
    total, flying = DeliveryCounts(), dict[Future[DeliveryCounts], Target]()
    end = runtime.clock.elapsed_seconds() + TURN_SECONDS
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="notices") as pool:
        while True:
            free = AT_ONCE - len(flying)
            if free and runtime.clock.elapsed_seconds() < end:
                for target, mine in _claim(runtime, resting, set(flying.values()), most=free).items():
                    flying[pool.submit(_tell_all, runtime, resting, mine)] = target
            if not flying:
                return total
            for done in wait(flying, 0.5, FIRST_COMPLETED).done:
                del flying[done]
                total += done.result()


def _claim(
    runtime: Runtime, resting: Mapping[Target, float], busy: set[Target], *, most: int
) -> dict[Target, list[DueNotice]]:
    now, at = runtime.clock.now(), runtime.clock.elapsed_seconds()
    with runtime.store.read() as session:
        due = outbox.due_targets(session, now, but=busy, most=MOST_CLAIMED, only_runs=runtime.only_runs)
    if not due:
        return {}
    rests = {target: resting.get(target, at) - at for target in due}
    awake = [target for target in due if rests[target] <= 0]
    with runtime.store.write("notice_claim") as session:
        for target in due.keys() - awake:  # recorded since the target was found to be away
            outbox.put_off(session, *target, until=now + timedelta(seconds=rests[target]))
        claimed = {target: outbox.claim(session, due[target], now=now, until=now + CLAIM) for target in awake[:most]}
    return {target: mine for target, mine in claimed.items() if mine}


def _tell_all(runtime: Runtime, resting: dict[Target, float], mine: Sequence[DueNotice]) -> DeliveryCounts:
    """Send one target one notice after the other, until it does not accept one or its turn is over."""
    total, end = DeliveryCounts(), runtime.clock.elapsed_seconds() + TURN_SECONDS
    for number, notice in enumerate(mine):
        at = runtime.clock.elapsed_seconds()
        if at >= end or resting.get(_target(notice), at) > at:
            with runtime.store.write("notice_release") as session:
                outbox.release(session, [left.id for left in mine[number:]], now=runtime.clock.now())
            break
        _, counts = tell_one(runtime.store, runtime.settings, runtime.clock, notice, resting=resting)
        total += counts
    return total


def tell_one(
    store: Store, settings: Settings, clock: Clock, notice: DueNotice, *, resting: dict[Target, float]
) -> tuple[LoggedCall, DeliveryCounts]:
    """Send a claimed notice once, and record how that ended; return the row of the log."""
    body = {"id": f"notice-{notice.id}", "event": notice.event, "at": utc(notice.created_at), **notice.body}
    began, began_at = clock.elapsed_seconds(), clock.now()
    outcome = send(settings, _target(notice), notice.event, body, began_at)
    call = Call(began_at, clock.elapsed_seconds() - began, outcome)
    return _record(store, clock, resting, notice, call)


def _target(notice: DueNotice) -> Target:
    return notice.channel, notice.target


def send(settings: Settings, target: Target, event: str, body: dict[str, Any], now: datetime) -> DeliveryResult:
    """Notify one target once. The body has an `id`."""
    try:
        return _send(settings, target, event, body, now)
    except SettingsError as error:  # a file that a setting names: it may be back the next time
        return DeliveryResult(str(error), is_away=True)


def send_test(settings: Settings, target: Target, now: datetime) -> str:
    """Send one target the event `test` once; return why that failed, or ''."""
    body = {"id": uuid4().hex, "event": "test", "at": utc(now), "rehearsal": False}
    return send(settings, target, "test", body, now).problem


def _send(settings: Settings, target: Target, event: str, body: dict[str, Any], now: datetime) -> DeliveryResult:
    channel, address = target
    match channel:
        case Channel.WEBHOOK | Channel.REPLY_WEBHOOK:
            # An address in the settings is the operator's own, even if a campaign file names it as well.
            may_be_private = settings.allow_private_webhooks or target in of_settings(settings)
            webhooks = Webhooks(settings.signing_secret(), may_be_private, settings.ca_file)
            return webhooks.call(address, event, body, timestamp=int(now.timestamp()))
        case Channel.EMAIL:
            text = letter(body, event)
            server, ca_file = settings.mail_server(), settings.ca_file
            return send_mail(server, address, subject(body, event), text, id_=str(body["id"]), ca_file=ca_file)
        case Channel.COMMAND if settings.notify_command:
            return run_command(settings.notify_command, body)
        case _:
            return DeliveryResult(f"nothing is set for the channel {channel}", is_away=True)


def where(target: Target) -> str:
    """Return a target for people and logs: without login, path and query; of an e-mail address only the domain."""
    channel, address = target
    if channel == Channel.EMAIL:
        return address.rpartition("@")[2]
    return address if channel == Channel.COMMAND else place(address)


def _record(
    store: Store, clock: Clock, resting: dict[Target, float], notice: DueNotice, call: Call
) -> tuple[LoggedCall, DeliveryCounts]:
    now, outcome = clock.now(), call.outcome
    target = _target(notice)
    if not outcome.problem:
        resting.pop(target, None)
        with store.write("notice_told") as session:
            outbox.taken(session, notice.id, now=now)
            logged = _logged(session, notice, call)
        metrics.count(metrics.CALLS_OUT, where(target), "delivered")
        return logged, DeliveryCounts(taken=1)
    pause = notice_after(notice.tries, _rng)
    retry_at = now + pause
    is_over = retry_at > notice.created_at + GIVE_UP_AFTER
    said = {"channel": notice.channel, "about": notice.event, "target": where(target), "problem": outcome.problem}
    with store.write("notice_failed") as session:
        logged = _logged(session, notice, call)
        if not is_over:
            outbox.failed(session, notice.id, problem=outcome.problem, retry_at=retry_at)
        elif outbox.give_up(session, notice.id, problem=outcome.problem, now=now):
            record_event(session, EventName.NOTICE_GIVEN_UP, now, run_id=notice.run_id, detail=said)
        if outcome.is_away:
            outbox.put_off(session, *target, until=retry_at)
    if outcome.is_away:
        resting[target] = clock.elapsed_seconds() + pause.total_seconds()
    metrics.count(metrics.CALLS_OUT, where(target), "given_up" if is_over else "failed")
    if is_over:
        get_logger().error("notice.given_up", **said)
    else:
        get_logger().warning("notice.failed", **said, tries=notice.tries + 1, retry_at=utc(retry_at))
    return logged, DeliveryCounts(failed=1)


def _logged(session: Session, notice: DueNotice, call: Call) -> LoggedCall:
    outcome = call.outcome
    return record_call(
        session,
        notice,
        at=call.at,
        target=where(_target(notice)),
        status=outcome.status,
        problem=outcome.problem,
        seconds=call.seconds,
    )
