"""What the gateway told us, as values. No `repr` shows a number, a name or a text: a `repr` ends up in logs."""

from dataclasses import dataclass, field
from datetime import datetime

from worker.gateway.statuses import MessageStatus


@dataclass(frozen=True, slots=True)
class Message:
    """One message as the gateway has it. Times are aware UTC, or None where absent or without a zone."""

    id: int
    number: str = field(repr=False)  # as the gateway writes it: perhaps without the plus; empty if it left it out
    text: str = field(repr=False)  # a hint only: a server may rewrite texts
    device: int | None
    sim: int | None
    status: MessageStatus
    raw_status: str
    sent_at: datetime | None
    delivered_at: datetime | None  # not a proof of delivery: only `status` is
    group_id: str | None
    result_code: int | None
    error_code: int | None
    retries: int  # how often the gateway itself tried again


@dataclass(frozen=True, slots=True)
class SendReply:
    """The gateway has these messages. `missing` are the numbers, as they were sent, that it left out of its reply."""

    messages: tuple[Message, ...]
    missing: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Balance:
    """Credits of the account, in texts; None is unlimited."""

    credits: int | None


@dataclass(frozen=True, slots=True)
class Contact:
    """One entry of a contact list that the gateway keeps. `id` is None where it only said that it is so already."""

    list_id: int
    number: str = field(repr=False)
    name: str | None = field(repr=False)
    subscribed: bool
    id: int | None
