"""The gateway's answers, as values. No `repr` shows a number, a name or a text: a `repr` ends up in logs."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from worker.gateway.statuses import MessageStatus


class Message(NamedTuple):
    """One message as the gateway has it. Times are aware UTC, or None where absent or without a zone.

    A tuple is made in a third of the time of a frozen dataclass, and there is one for each text and receipt.
    """

    id: int
    number: str  # as the gateway writes it: perhaps without the plus; empty if left out
    text: str  # only a hint: a server may rewrite texts
    device: int | None
    sim: int | None
    status: MessageStatus
    raw_status: str
    sent_at: datetime | None
    delivered_at: datetime | None  # not proof of delivery: only `status` is
    group_id: str | None
    result_code: int | None
    error_code: int | None
    retries: int  # how often the gateway itself retried

    def __repr__(self) -> str:
        return f"Message(id={self.id}, status={self.raw_status!r})"


@dataclass(frozen=True, slots=True)
class SendReply:
    """The gateway has these messages. `missing` holds the numbers, as sent, that its reply leaves out."""

    messages: tuple[Message, ...]
    missing: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Balance:
    """The account's credits, in texts; None is unlimited."""

    credits: int | None


@dataclass(frozen=True, slots=True)
class Contact:
    """One entry of a contact list that the gateway keeps. `id` is None where the gateway only said "already done"."""

    list_id: int
    number: str = field(repr=False)
    name: str | None = field(repr=False)
    subscribed: bool
    id: int | None
