"""What receipts say about failed texts: which of them are sent again, and which were sent after all."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlmodel import Session

from campaigns.following.results import PROVEN_NOT_SENT
from worker.gateway import MessageStatus
from worker.gateway.results import Message
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.events import EventName, record_event
from worker.store.following import failed_text_watch, failed_texts

_SENT: Final = frozenset({MessageStatus.SENT, MessageStatus.DELIVERED})


def look_after_failed(runtime: Runtime, session: Session, messages: Sequence[Message], *, now: datetime) -> None:
    """Let campaigns that want it retry their failed texts. Call it in the transaction that applied the receipts."""
    failed = [m.id for m in messages if m.status is MessageStatus.FAILED and m.result_code in PROVEN_NOT_SENT]
    if failed:
        again = []
        for text in failed_texts.failed_texts(session, runtime.account_id, failed):
            rule = runtime.definitions.get(text.definition_id).follow.retry_failed
            if rule is not None and text.resent_count < rule.times:
                again.append((text, now + rule.after))
        failed_texts.plan_retries(session, again, now=now)
    sent = [m.id for m in messages if m.status in _SENT]
    if sent:
        for doubled in failed_text_watch.record_sent_after_all(session, runtime.account_id, sent, now=now):
            record_event(
                session,
                EventName.TEXT_DOUBLED,
                now,
                run_id=doubled.run_id,
                batch_id=doubled.batch_id,
                detail={"recipient": doubled.recipient_id, "gateway_id": doubled.gateway_id},
            )
            get_logger().warning("text.doubled", run=doubled.run_id, gateway_id=doubled.gateway_id)
