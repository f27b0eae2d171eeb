"""The classifier: what an exception or a reply says about a request. An allow-list; the default is "unknown".

Unknown is the safe answer: it costs a few reads. "Not sent" or "refused" for messages that were stored sends texts
twice, and "accepted" for messages that were not stored loses them. Rows are tried from the top; each rests on
documentation or a proof.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from campaigns.printable import without_numbers
from campaigns.protocol.matching import same_number
from worker.certificates import is_for_another_name
from worker.gateway.errors import (
    AccountRefused,
    CertificateRefused,
    ConnectFailed,
    DeviceRefused,
    FailureUnknown,
    GatewayError,
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
from worker.gateway.results import Message
from worker.gateway.seen import Seen


@dataclass(frozen=True, slots=True)
class ClassifierRow:
    """One row of the table. `raises` may depend on what was seen; None means accepted."""

    when: Callable[[Seen], object]
    raises: type[GatewayError] | Callable[[Seen], type[GatewayError]] | None
    says: str


_KEY: Final = "check CAMPAIGNS_API_KEY and CAMPAIGNS_GATEWAY_URL"

ROWS: Final[tuple[ClassifierRow, ...]] = (
    # No reply.
    ClassifierRow(
        lambda s: s.is_unconnected and is_for_another_name(s.certificate_problem),
        CertificateRefused,
        "The gateway's certificate is for another name ({cause}); nothing was sent. Correct CAMPAIGNS_GATEWAY_URL.",
    ),
    ClassifierRow(
        lambda s: s.is_unconnected and s.certificate_problem,
        CertificateRefused,
        "The gateway's certificate is not trusted ({cause}); nothing was sent. Renew it, or set CAMPAIGNS_CA_FILE"
        " to the certificate of the authority that issued it.",
    ),
    ClassifierRow(
        lambda s: s.is_unconnected,
        ConnectFailed,
        "No connection to the gateway ({cause}); nothing was sent. Check CAMPAIGNS_GATEWAY_URL and the network.",
    ),
    ClassifierRow(
        lambda s: s.error and s.failed_as is ReplyUnreadable and s.reply.has_begun and s.is_send,
        ReplyTooLong,
        "The gateway's reply contains far more than was sent ({cause}); the texts may be stored and are looked up.",
    ),
    ClassifierRow(
        lambda s: s.error and s.failed_as is ReplyUnreadable and s.reply.has_begun,
        ReplyTooLong,
        "The gateway returned too much in one reply ({cause}).",
    ),
    ClassifierRow(
        lambda s: s.error and s.failed_as is ReplyUnreadable,
        ReplyUnreadable,
        "The gateway's reply could not be read; the texts may have been accepted and are looked up.",
    ),
    ClassifierRow(
        lambda s: s.error, ReplyLost, "The gateway gave no complete reply; the request may still have arrived."
    ),
    # The HTTP status.
    ClassifierRow(lambda s: 300 <= s.status < 400, AccountRefused, f"The server answers with a redirect; {_KEY}."),
    ClassifierRow(lambda s: s.status in {401, 403}, AccountRefused, f"The server refuses access; {_KEY}."),
    ClassifierRow(lambda s: s.status in {404, 405}, AccountRefused, f"There is no gateway at this address; {_KEY}."),
    ClassifierRow(
        lambda s: s.status == 413,
        TooBig,
        "The request is too long for the server; use a smaller throughput.batch_size.",
    ),
    ClassifierRow(
        lambda s: s.status == 429, Throttled, "The server asks for a slower pace; the request is tried again later."
    ),
    ClassifierRow(
        lambda s: s.status >= 500,
        ServerFailed,
        "The server failed; the request may still have been carried out.",
    ),
    ClassifierRow(
        lambda s: s.status != 200, ReplyImplausible, "The server answers with a status that the gateway never uses."
    ),
    # The body.
    ClassifierRow(lambda s: s.reply.is_blank, ReplyUnreadable, "The gateway's reply is empty."),
    ClassifierRow(lambda s: s.envelope is None, ReplyUnreadable, "The gateway's reply is not its JSON."),
    ClassifierRow(
        lambda s: s.is_failure() and s.code == 401, AccountRefused, f"The gateway refuses the API key; {_KEY}."
    ),
    ClassifierRow(
        lambda s: s.says(r"(you have )?insufficient credits"),
        AccountRefused,
        "The account does not have enough credits; buy more, and sending continues by itself.",
    ),
    ClassifierRow(
        lambda s: s.says(r"your subscription has expired"),
        AccountRefused,
        "The account's subscription has expired; renew it, and sending continues by itself.",
    ),
    ClassifierRow(
        lambda s: s.says(r"there is no sim card present on slot"),
        DeviceRefused,
        "A SIM slot of the request holds no SIM card.",
    ),
    ClassifierRow(
        lambda s: s.says(r"this device doesn.{1,6}t exist"),  # .{1,6}: an apostrophe in any spelling, &#039; too
        DeviceRefused,
        "A device of the request does not exist on the gateway.",
    ),
    ClassifierRow(
        lambda s: s.says(r"invalid request format"),
        RequestRefused,
        "The gateway cannot read the request: a malformed device or an empty text.",
    ),
    ClassifierRow(
        lambda s: s.is_failure() and s.learned_class,
        lambda s: s.learned_class or FailureUnknown,
        "The gateway answers with an error text that was declared to mean a refusal.",
    ),
    ClassifierRow(
        lambda s: s.is_failure() and not s.is_send,
        FailureUnknown,
        "The gateway answers with an error whose meaning is not known.",
    ),
    ClassifierRow(
        lambda s: s.is_failure(),
        FailureUnknown,
        "The gateway reports an error that is not known to come before messages are stored.",
    ),
    # A success that may not be one: a request whose text got lost is answered like a balance request.
    ClassifierRow(
        lambda s: s.is_send and s.messages is None,
        ReplyImplausible,
        "The gateway reports success without a readable list of messages.",
    ),
    ClassifierRow(
        lambda s: s.is_send and not s.messages, ReplyImplausible, "The gateway reports success without any message."
    ),
    ClassifierRow(
        lambda s: s.is_send and s.messages and not all(message.number for message in s.messages),
        ReplyImplausible,
        "The gateway reports a message without a number.",
    ),
    ClassifierRow(
        lambda s: s.is_send and s.messages and len({message.id for message in s.messages}) != len(s.messages),
        ReplyImplausible,
        "The gateway reports two messages under one id.",
    ),
    ClassifierRow(
        lambda s: s.is_send and s.sent is not None and _foreign(s.messages or (), s.sent),
        ReplyImplausible,
        "The gateway reports messages to numbers that were not in the request.",
    ),
    ClassifierRow(lambda s: True, None, ""),  # noqa: ARG005  every row is passed what was seen
)


@dataclass(frozen=True, slots=True)
class Classification:
    """The result: the error to raise, or None for a success, and one sentence for a person."""

    error: type[GatewayError] | None
    sentence: str

    @property
    def outcome(self) -> SendOutcome:
        return self.error.outcome if self.error else SendOutcome.ACCEPTED


def classify(seen: Seen) -> Classification:
    """Return the verdict of the first row that matches. Never raises, whatever the bytes."""
    row = next(row for row in ROWS if row.when(seen))
    sentence = row.says
    if seen.error is not None:
        cause = without_numbers(seen.certificate_problem or str(seen.error))  # in the words of the system
        sentence = sentence.replace("{cause}", cause)
    if row.raises is None or isinstance(row.raises, type):
        return Classification(row.raises, sentence)
    return Classification(row.raises(seen), sentence)


def missing_numbers(messages: Sequence[Message], sent: Sequence[str]) -> tuple[str, ...]:
    """Return the numbers that a complete reply leaves out, in the order and spelling of the request."""
    if has_numbers(messages, sent):
        return ()
    left = Counter(same_number(message.number) for message in messages)
    missing = []
    for number in sent:
        same = same_number(number)
        if left[same]:
            left[same] -= 1
        else:
            missing.append(number)
    return tuple(missing)


def has_numbers(messages: Sequence[Message], sent: Sequence[str]) -> bool:
    """Return whether the messages are to exactly these numbers, in this order and spelling, as in most replies."""
    return [message.number for message in messages] == list(sent)


def _foreign(messages: Sequence[Message], sent: Sequence[str]) -> bool:
    if has_numbers(messages, sent):
        return False
    reported = Counter(same_number(message.number) for message in messages)
    return bool(reported - Counter(same_number(number) for number in sent))
