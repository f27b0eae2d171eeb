"""What can go wrong with a request. The error carries the policy: switch on its attributes, never on class names."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar, Final

from campaigns.codes import FailureCode


class SendOutcome(StrEnum):
    """The outcome of a send, in the words of the send protocol."""

    ACCEPTED = "accepted"  # the gateway has every message of the reply
    NOT_SENT = "not_sent"  # proven: no byte of the request left
    ACCOUNT = "account"  # nothing of this account gets through until a person acts
    REFUSED = "refused"  # this request will never succeed as it is
    THROTTLED = "throttled"  # later
    TOO_BIG = "too_big"  # in smaller batches
    UNKNOWN = "unknown"  # it may have been stored: look it up, never post it again


_NO_EVIDENCE: Final[Mapping[str, object]] = MappingProxyType({})


class GatewayError(Exception):
    """A request that did not end well.

    The text is one sentence for a person. `evidence` can be stored as JSON; it holds no key, no number and no text.
    `code` is the code in the gateway's own error, never the HTTP status. `retry_after` is what the server asked for.
    """

    outcome: ClassVar[SendOutcome] = SendOutcome.UNKNOWN
    failure: ClassVar[FailureCode] = FailureCode.OUTCOME_UNKNOWN
    """The code that is stored. A class without a code of its own has its base's code."""
    transient: ClassVar[bool] = False
    """A harmless request may be repeated soon. This says nothing about sends."""

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        retry_after: timedelta | None = None,
        evidence: Mapping[str, object] = _NO_EVIDENCE,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after
        self.evidence = evidence

    @property
    def may_have_arrived(self) -> bool:
        """Return whether the gateway may have stored the messages despite this error."""
        return self.outcome is SendOutcome.UNKNOWN

    @property
    def account_problem(self) -> bool:
        """Return whether every other request of this account would fail as well."""
        return self.outcome is SendOutcome.ACCOUNT


class ConnectFailed(GatewayError):
    """No connection: the name, the address, TLS or a timeout. Not one byte of the request left."""

    failure = FailureCode.CONNECT_FAILED
    outcome = SendOutcome.NOT_SENT
    transient = True


class CertificateRefused(ConnectFailed):
    """We refuse the server's certificate. The next try would meet the same one."""

    failure = FailureCode.CERTIFICATE_REFUSED
    transient = False


class Aborted(GatewayError):
    """Our own last check before the first byte said no."""

    failure = FailureCode.ABORTED
    outcome = SendOutcome.NOT_SENT


class AccountRefused(GatewayError):
    """Key, credits, subscription or server address."""

    failure = FailureCode.ACCOUNT_REFUSED
    outcome = SendOutcome.ACCOUNT


class RequestRefused(GatewayError):
    """Refused for good, for a reason that is known to come before anything is stored."""

    failure = FailureCode.REQUEST_REFUSED
    outcome = SendOutcome.REFUSED


class DeviceRefused(RequestRefused):
    """The devices or SIMs of the request are wrong, not its people: every request of the campaign would fail."""

    failure = FailureCode.DEVICE_REFUSED


class Throttled(GatewayError):
    """Too many requests."""

    failure = FailureCode.THROTTLED
    outcome = SendOutcome.THROTTLED
    transient = True


class TooBig(GatewayError):
    """The request is longer than the server accepts."""

    failure = FailureCode.TOO_BIG
    outcome = SendOutcome.TOO_BIG


class OutcomeUnknown(GatewayError):
    """The base of every error after which the gateway may have the messages."""


class ReplyLost(OutcomeUnknown):
    """All or part of the request left, and no complete reply came back."""

    failure = FailureCode.REPLY_LOST
    transient = True


class ReplyUnreadable(OutcomeUnknown):
    """A complete reply that is not the gateway's JSON."""

    failure = FailureCode.REPLY_UNREADABLE
    transient = True


class ReplyTooLong(ReplyUnreadable):
    """More messages than are read from one reply; the next try would bring as many."""

    failure = FailureCode.REPLY_TOO_LONG
    transient = False


class ReplyImplausible(OutcomeUnknown):
    """The gateway's JSON, but not an answer to the request."""

    failure = FailureCode.REPLY_IMPLAUSIBLE


class ServerFailed(OutcomeUnknown):
    """HTTP 5xx: the server, or something in front of it, broke at an unknown point."""

    failure = FailureCode.SERVER_FAILED
    transient = True


class FailureUnknown(OutcomeUnknown):
    """`success: false` for a reason that is not on the allow-list."""

    failure = FailureCode.FAILURE_UNKNOWN
