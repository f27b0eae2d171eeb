"""What the gateway shows about messages, stored: recipients advance; phones and failed texts are looked after."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from campaigns.following.results import result_words
from campaigns.lifecycle import RecipientState
from scheduler.receipts.retrying import look_after_failed
from scheduler.receipts.slowing import slow_down
from worker import metrics
from worker.gateway import MessageStatus
from worker.gateway.results import Message
from worker.runtime import Runtime
from worker.store.bulk import in_parts
from worker.store.following import clock_offsets, receipts
from worker.store.following.receipts import MovedUp, Receipt
from worker.store.runs import versions
from worker.store.sending import accounts

RECEIPT_STATES: Final = {
    MessageStatus.PENDING: RecipientState.ACCEPTED,
    MessageStatus.SCHEDULED: RecipientState.ACCEPTED,
    MessageStatus.QUEUED: RecipientState.ACCEPTED,
    MessageStatus.SENT: RecipientState.SENT,
    MessageStatus.DELIVERED: RecipientState.DELIVERED,
    MessageStatus.FAILED: RecipientState.FAILED,
    MessageStatus.CANCELLED: RecipientState.CANCELLED,
}
"""The state that a status gives a recipient. A text of `unknown` status or an inbound message changes nothing."""


STORED_AT_ONCE: Final = 2_500
"""How many messages one transaction stores: others wait for 0.1 s."""


def store_receipts(runtime: Runtime, messages: Sequence[Message]) -> int:
    """Advance recipients by what the gateway shows; return how many. Also looks after phones and failed texts."""
    return sum(_store(runtime, part) for part in in_parts(messages, STORED_AT_ONCE))


def _store(runtime: Runtime, messages: Sequence[Message]) -> int:
    in_force = runtime.ceilings.current()  # not inside the transaction: it may need one of its own
    with runtime.store.write("receipts") as session:
        slow_down(runtime, session, messages, in_force=in_force, now=runtime.clock.now())  # uses only new reports
        clocks = clock_offsets.known_offsets(session, runtime.account_id)

        def ours(date: datetime | None) -> datetime | None:
            return clock_offsets.by_our_clock(date, clocks, runtime.clock.now()) if date else None

        found = [r for m in messages if (r := _receipt_of(m, ours if clocks else None))]
        told: list[MovedUp] | None = [] if metrics.is_on() else None
        moved = receipts.apply_receipts(session, runtime.account_id, found, told=told)
        kinds = versions.kinds(session, {each.run_id for each in told}) if told else {}
        look_after_failed(runtime, session, messages, now=runtime.clock.now())
        # Last, because every reply of the account waits for it.
        accounts.raise_floor(session, runtime.account_id, max(message.id for message in messages))
    _count(told or (), kinds, runtime.clock.now())
    return moved


def _count(moved: Sequence[MovedUp], kinds: Mapping[int, str], now: datetime) -> None:
    """Count what receipts brought. That a text waits on its phone was counted when the gateway accepted it."""
    brought = Counter((kinds[m.run_id], m.state, m.device) for m in moved if m.run_id in kinds)
    for (kind, state, device), texts in brought.items():
        if state is not RecipientState.ACCEPTED:
            metrics.count_texts(kind, state, device, texts)
    for each in moved:
        if each.state is RecipientState.DELIVERED and each.accepted_at is not None:
            delay = (each.delivered_at or now) - each.accepted_at
            metrics.observe(metrics.RECEIPT_DELAY, delay.total_seconds(), metrics.device_label(each.device))


def _receipt_of(message: Message, ours: Callable[[datetime | None], datetime | None] | None) -> Receipt | None:
    """Return what a message says about its recipient; None if nothing. `ours` converts dates, if clocks differ."""
    state = RECEIPT_STATES.get(message.status)
    if state is None:
        return None
    reason = ""
    if state is RecipientState.FAILED:
        why = result_words(message.result_code) or "the gateway does not say why"
        reason = f"the phone could not send it: {why}"
    elif state is RecipientState.CANCELLED:
        reason = "cancelled at the gateway"
    return Receipt(
        message.id,
        state,
        message.retries,
        ours(message.sent_at) if ours else message.sent_at,
        ours(message.delivered_at) if ours else message.delivered_at,
        message.device,
        message.sim,
        reason,
        message.result_code,
        message.number,
    )
