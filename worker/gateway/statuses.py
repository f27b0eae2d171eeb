"""What the gateway's words mean: one meaning per line."""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final


class MessageStatus(StrEnum):
    """How far a message got on the gateway. Only this counts: a delivery date alone proves nothing."""

    PENDING = "pending"  # stored, not on a phone yet
    SCHEDULED = "scheduled"  # stored, waiting for its `schedule`
    QUEUED = "queued"  # handed to a phone
    SENT = "sent"  # the phone sent it; often the final status, where no delivery report comes
    DELIVERED = "delivered"  # the recipient's phone confirmed it
    FAILED = "failed"  # the phone could not send it; the gateway may retry under the same id
    CANCELLED = "cancelled"  # cancelled on the gateway
    RECEIVED = "received"  # inbound: somebody wrote to one of the phones
    UNKNOWN = "unknown"  # a word that is not in the table: still open, counted, shown as received


_MEANINGS: Final[Mapping[str, MessageStatus]] = {
    "pending": MessageStatus.PENDING,
    "scheduled": MessageStatus.SCHEDULED,
    "queued": MessageStatus.QUEUED,
    "sent": MessageStatus.SENT,
    "delivered": MessageStatus.DELIVERED,
    "failed": MessageStatus.FAILED,
    "canceled": MessageStatus.CANCELLED,
    "cancelled": MessageStatus.CANCELLED,
    "received": MessageStatus.RECEIVED,
}

WORD_TO_ASK_FOR: Final[Mapping[MessageStatus, str]] = {
    MessageStatus.PENDING: "Pending",
    MessageStatus.SCHEDULED: "Scheduled",
    MessageStatus.QUEUED: "Queued",
    MessageStatus.SENT: "Sent",
    MessageStatus.DELIVERED: "Delivered",
    MessageStatus.FAILED: "Failed",
    MessageStatus.CANCELLED: "Canceled",
    MessageStatus.RECEIVED: "Received",
}
"""The spelling to use when reading messages by status; `UNKNOWN` cannot be asked for."""


@lru_cache(maxsize=256)  # of whatever a gateway calls them; asked once for each message
def status_of(word: str) -> MessageStatus:
    """Return the meaning of the gateway's word, in any case; `UNKNOWN` for a word that is not in the table."""
    return _MEANINGS.get(word.strip().casefold(), MessageStatus.UNKNOWN)
