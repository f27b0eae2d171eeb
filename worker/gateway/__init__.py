"""The gateway client: one POST per send, one verdict per POST, and no key, number or text in any log or error.

`client` has the methods, `posting` one request from form to verdict, `connection` the socket, `reading` the reply as it
arrives, `classify` the table of verdicts, `errors` and `results` what callers get, `forms` and `wire` the two
directions of the wire, `webhook` the gateway's calls to us.
"""

from worker.gateway.client import GatewayClient
from worker.gateway.connection import Timeouts
from worker.gateway.errors import (
    Aborted,
    AccountRefused,
    CertificateRefused,
    ConnectFailed,
    DeviceRefused,
    FailureUnknown,
    GatewayError,
    OutcomeUnknown,
    ReplyImplausible,
    ReplyLost,
    ReplyTooLong,
    ReplyUnreadable,
    RequestRefused,
    SendOutcome,
    ServerFailed,
    Throttled,
    TooBig,
)
from worker.gateway.forms import OutgoingMessage, SendOption
from worker.gateway.results import Balance, Contact, Message, SendReply
from worker.gateway.statuses import MessageStatus

__all__ = [
    "Aborted",
    "AccountRefused",
    "Balance",
    "CertificateRefused",
    "ConnectFailed",
    "Contact",
    "DeviceRefused",
    "FailureUnknown",
    "GatewayClient",
    "GatewayError",
    "Message",
    "MessageStatus",
    "OutcomeUnknown",
    "OutgoingMessage",
    "ReplyImplausible",
    "ReplyLost",
    "ReplyTooLong",
    "ReplyUnreadable",
    "RequestRefused",
    "SendOption",
    "SendOutcome",
    "SendReply",
    "ServerFailed",
    "Throttled",
    "Timeouts",
    "TooBig",
]
