"""Sends failed texts again (`follow.retry_failed`), only if the phone proved not to have sent them, after a last check.

That check reads the message by its id just before. The gateway may have retried by itself: a text that is no longer
failed is left to it, and one that failed anew waits anew. For an hour afterwards the failed message is checked again.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from sqlmodel import Session

from campaigns.display import phone_words
from campaigns.following.results import PROVEN_NOT_SENT
from scheduler.receipts.storing import store_receipts
from worker.gateway import GatewayError, MessageStatus
from worker.gateway.results import Message
from worker.limits.planned_limits import limits_of
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.events import EventName, record_event
from worker.store.following import failed_text_watch, failed_texts, receipts
from worker.store.following.failed_texts import DueRetry
from worker.store.locks import lock_run

READS_PER_TICK: Final = 100
"""How many messages one tick reads by id; the others stay due."""

UNREAD_PAUSE: Final = timedelta(seconds=30)
"""How long a text waits if its message could not be read."""

LOOKS: Final = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))
"""How long after the resend the failed message is checked again."""

GONE: Final = "the gateway no longer shows the failed message"
TOO_LATE: Final = "its time had run out"


def is_retry_due(runtime: Runtime, now: datetime) -> bool:
    """Return whether `retry` would find a text or a failed message that is due."""
    with runtime.store.read() as session:
        return bool(
            failed_texts.due_retries(session, runtime.account_id, now=now, most=1)
            or failed_text_watch.due_looks(session, runtime.account_id, now=now, most=1)
        )


def retry(runtime: Runtime, now: datetime) -> dict[str, int]:
    """Send again what is due and still failed; check whether failed messages were sent after all."""
    with runtime.store.read() as session:
        due = [
            entry
            for entry in failed_texts.due_retries(session, runtime.account_id, now=now, most=READS_PER_TICK)
            if runtime.includes(entry.run_id)
        ]
    begun = _send_again(runtime, due, now) if due else 0
    return {"retried": begun, "looked": _look(runtime, now)}


def _send_again(runtime: Runtime, due: Sequence[DueRetry], now: datetime) -> int:
    reads: Counter[int] = Counter()
    read: dict[int, Message | None] = {}
    for entry in due:
        reads[entry.run_id] += 1
        try:
            read[entry.id] = runtime.gateway.read_message(entry.gateway_id)
        except GatewayError as error:
            get_logger().warning("retry.not_read", problem=str(error))
            break
    store_receipts(runtime, [message for message in read.values() if message is not None])
    by_run: dict[int, list[DueRetry]] = defaultdict(list)
    for entry in due:
        by_run[entry.run_id].append(entry)
    now = runtime.clock.now()  # it may have been put back by hours during the reads
    with runtime.store.write("retry") as session:
        receipts.count_reads(session, reads)  # the run before its groups, as when it ends: else the two deadlock
        return sum(_begin(runtime, session, run_id, entries, read, now) for run_id, entries in sorted(by_run.items()))


def _begin(
    runtime: Runtime,
    session: Session,
    run_id: int,
    due: Sequence[DueRetry],
    read: dict[int, Message | None],
    now: datetime,
) -> int:
    """Make everybody of one run who is due pending again; return how many."""
    lock_run(session, run_id)
    definition = runtime.definitions.get(due[0].definition_id)
    rule = definition.follow.retry_failed
    after = rule.after if rule else UNREAD_PAUSE
    ready: list[DueRetry] = []
    for entry in due:
        message = read.get(entry.id)
        if entry.id not in read:
            failed_texts.postpone_retries(session, [entry.id], until=now + UNREAD_PAUSE)
        elif message is None:
            failed_texts.drop_retries(session, [entry.id], GONE)
        elif message.status is not MessageStatus.FAILED or message.result_code not in PROVEN_NOT_SENT:
            failed_texts.forget_retries(session, [entry.id])  # the gateway itself retries it
            receipts.poll_again(session, [entry.batch_id], at=now)
        elif message.retries > entry.gateway_retries:
            failed_texts.postpone_retries(session, [entry.id], until=now + after, retries_seen=message.retries)
        elif entry.latest is not None and entry.latest < now:
            failed_texts.drop_retries(session, [entry.id], TOO_LATE)
        else:
            ready.append(entry)
    begun = 0
    for group in _requests(runtime, ready):
        which = "a phone" if group[0].device is None else phone_words(group[0].device)
        reason = f"{which} did not send it"
        batch_id = failed_texts.begin_retries(
            session, run_id, group, reason=reason, now=now, next_look_at=now + LOOKS[0]
        )
        if batch_id is not None:
            begun += len(group)
            detail = {"people": len(group)}
            record_event(session, EventName.TEXTS_RETRIED, now, run_id=run_id, batch_id=batch_id, detail=detail)
    if begun:
        get_logger().info("texts.retried", campaign=definition.campaign, run=run_id, people=begun)
    return begun


def _requests(runtime: Runtime, ready: Sequence[DueRetry]) -> Iterator[list[DueRetry]]:
    """Yield who shares a request: the same device to avoid, the same clocks, and no more than any request may hold."""

    def alike(entry: DueRetry) -> tuple[int, str, str]:
        return entry.device or 0, entry.zones, entry.latest.isoformat() if entry.latest else ""

    for _, group in groupby(sorted(ready, key=alike), key=alike):
        request: list[DueRetry] = []
        limits = None
        for entry in group:
            limits = limits or limits_of(runtime.definitions.get(entry.definition_id), runtime.settings).request
            segments = sum(member.segments for member in request) + entry.segments
            if request and (len(request) == limits.messages or segments > limits.segments):
                yield request
                request = []
            request.append(entry)
        yield request


def _look(runtime: Runtime, now: datetime) -> int:
    with runtime.store.read() as session:
        due = failed_text_watch.due_looks(session, runtime.account_id, now=now, most=READS_PER_TICK)
    due = [watched for watched in due if runtime.includes(watched.run_id)]
    if not due:
        return 0
    reads: Counter[int] = Counter()
    shown: list[Message] = []
    for watched in due:
        reads[watched.run_id] += 1
        try:
            message = runtime.gateway.read_message(watched.gateway_id)
        except GatewayError as error:
            get_logger().warning("retry.not_read", problem=str(error))
            return 0  # all of them stay due
        if message is not None:
            shown.append(message)
    now = runtime.clock.now()  # as above
    with runtime.store.write("retry_watch") as session:
        receipts.count_reads(session, reads)  # first, as above
        for watched in due:
            left = LOOKS[watched.looks + 1 :]
            next_look_at = min(max(watched.began_at + left[0], now), now + left[0]) if left else None
            failed_text_watch.schedule_look(session, watched, next_look_at)
    store_receipts(runtime, shown)
    return len(due)
