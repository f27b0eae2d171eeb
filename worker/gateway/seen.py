"""The raw result of one request, before it is interpreted."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import httpx

from worker.certificates import certificate_problem
from worker.gateway.errors import (
    AccountRefused,
    ConnectFailed,
    GatewayError,
    ReplyLost,
    ReplyUnreadable,
    RequestRefused,
    SendOutcome,
    Throttled,
    TooBig,
)
from worker.gateway.reading import HttpReply
from worker.gateway.results import Message
from worker.gateway.wire import Envelope

EXCEPTIONS: Final[Mapping[type[Exception], type[GatewayError]]] = {
    httpx.ConnectError: ConnectFailed,  # DNS, refused, unreachable, TLS
    httpx.ConnectTimeout: ConnectFailed,
    httpx.PoolTimeout: ConnectFailed,
    httpx.ReadTimeout: ReplyLost,
    httpx.WriteTimeout: ReplyLost,
    httpx.ReadError: ReplyLost,
    httpx.WriteError: ReplyLost,
    httpx.CloseError: ReplyLost,
    httpx.RemoteProtocolError: ReplyLost,  # closed without a reply, or in the middle of one
    httpx.LocalProtocolError: ReplyLost,  # the parser refused our own request, perhaps after its head had left
    httpx.ProxyError: ReplyLost,  # a proxy may have passed it on
    httpx.UnsupportedProtocol: ReplyLost,
    httpx.DecodingError: ReplyUnreadable,  # too long, or compressed and unreadable
    httpx.TooManyRedirects: ReplyUnreadable,
    httpx.HTTPStatusError: ReplyUnreadable,
    httpx.InvalidURL: ReplyLost,
    httpx.CookieConflict: ReplyLost,
    httpx.StreamConsumed: ReplyUnreadable,
    httpx.StreamClosed: ReplyUnreadable,
    httpx.ResponseNotRead: ReplyUnreadable,
    httpx.RequestNotRead: ReplyLost,
}
"""Every exception that httpx raises; any other is `ReplyLost`."""

LEARNABLE: Final[Mapping[SendOutcome, type[GatewayError]]] = {
    SendOutcome.ACCOUNT: AccountRefused,
    SendOutcome.REFUSED: RequestRefused,
    SendOutcome.THROTTLED: Throttled,
    SendOutcome.TOO_BIG: TooBig,
}
"""What a person may declare an error text to mean. Never "accepted" or "not sent": those need proof, not a text."""


@dataclass(frozen=True)
class Seen:
    """The result of one request: an exception, or a status and a reply. `sent` holds a send's numbers, if known."""

    error: Exception | None = None
    bytes_written: int = 0
    status: int = 0
    reply: HttpReply = field(default_factory=HttpReply)
    is_send: bool = False
    sent: Sequence[str] | None = field(default=None, repr=False)
    learned: Mapping[str, SendOutcome] = field(default_factory=dict)

    @property
    def envelope(self) -> Envelope | None:
        return self.reply.envelope

    @property
    def messages(self) -> tuple[Message, ...] | None:
        return self.reply.messages

    @cached_property
    def failed_as(self) -> type[GatewayError]:
        """Return the error class of the exception, by its nearest base in the table."""
        return next((EXCEPTIONS[kind] for kind in type(self.error).__mro__ if kind in EXCEPTIONS), ReplyLost)

    @property
    def is_unconnected(self) -> bool:
        """Return whether no connection was made: proof that nothing was sent."""
        return self.error is not None and self.failed_as is ConnectFailed and not self.bytes_written

    @property
    def certificate_problem(self) -> str:
        """Return why the gateway's certificate was refused; empty if it was not."""
        return certificate_problem(self.error)

    @property
    def learned_class(self) -> type[GatewayError] | None:
        """Return what a person declared this error text to mean."""
        outcome = self.learned.get(self.fingerprint)
        return LEARNABLE.get(outcome) if outcome else None

    @property
    def fingerprint(self) -> str:
        return error_fingerprint(self.envelope.code, self.envelope.text) if self.envelope else ""

    @property
    def error_text(self) -> str:
        return self.envelope.text if self.envelope else ""

    @property
    def code(self) -> int | None:
        return self.envelope.code if self.envelope else None

    def is_failure(self) -> bool:
        """Return whether the reply says `success: false`."""
        return self.envelope is not None and not self.envelope.success

    def says(self, pattern: str) -> bool:
        """Return whether the reply says `success: false` with a text that begins with `pattern`, in any case."""
        return self.is_failure() and bool(re.match(pattern, self.error_text.strip(), re.I))


def error_fingerprint(code: int | None, text: str) -> str:
    """Return 12 hex digits that identify an error: case, spaces and digits in its text make no difference."""
    same = re.sub(r"[0-9]+", "#", " ".join(text.casefold().split()))
    return hashlib.sha256(f"{code} {same}".encode()).hexdigest()[:12]
