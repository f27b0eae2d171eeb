"""One POST: key, deadline, tries, verdict. The result is a plausible reply or a GatewayError."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

import httpx
from pydantic import SecretStr

from campaigns.clock import Clock
from worker import metrics, tracing
from worker.gateway.classify import classify
from worker.gateway.connection import Exchange, Timeouts
from worker.gateway.errors import Aborted, GatewayError, SendOutcome
from worker.gateway.evidence import evidence_of, progress_of, retry_after
from worker.gateway.forms import FieldValue, Form
from worker.gateway.reading import MAX_MESSAGES, ReplyReader
from worker.gateway.results import Message
from worker.gateway.retries import read_tries, send_tries
from worker.gateway.seen import Seen

_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Connection": "close",
        "User-Agent": "sms-campaign-worker",
    }
)


SEND: Final = "services/send.php"
READ: Final = "services/read-messages.php"
CONTACTS: Final = "services/manage-contacts.php"

_CALLS: Final[Mapping[str, str]] = MappingProxyType({SEND: "balance", READ: "read", CONTACTS: "contacts"})
"""What is asked at each address; a send without messages asks for the balance."""

ANSWERED: Final = "ok"
"""The outcome of a request that was answered as hoped, in the metrics."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question to the gateway. `sent` holds the numbers of a send, if they are known.

    `private` and `sent` are blotted out of all evidence. `fine` takes the text of an error and says whether it means
    that the change asked for is already in place; `found_none` takes an error and says whether it only means that there
    is nothing to read. At most `max_messages` of a reply are read, counting those that `keep` keeps.
    """

    path: str
    fields: Mapping[str, FieldValue] = field(repr=False)
    is_send: bool = False
    sent: tuple[str, ...] | None = field(default=None, repr=False)
    private: tuple[str, ...] = field(default=(), repr=False)
    before_first_byte: Callable[[], None] | None = None
    fine: Callable[[str], object] | None = None
    found_none: Callable[[GatewayError], bool] | None = None
    max_messages: int = MAX_MESSAGES
    keep: Callable[[Message], bool] | None = None

    @property
    def call(self) -> str:
        """What is asked, for the metrics."""
        return "send" if self.is_send else _CALLS[self.path]


class Poster:
    """Posts questions with the account's key. Safe to use from several threads."""

    def __init__(
        self,
        url: httpx.URL,
        api_key: SecretStr,
        clock: Clock,
        timeouts: Timeouts,
        learned: Mapping[str, SendOutcome],
        transport: httpx.BaseTransport,
    ) -> None:
        self._url = url
        self._addresses: dict[str, httpx.URL] = {}
        self._api_key = api_key
        self._clock = clock
        self._timeouts = timeouts
        self._learned = learned
        self._transport = transport

    def close(self) -> None:
        self._transport.close()

    def send(self, question: Question) -> Seen:
        """Post once. Only a failed connection is tried again, within one deadline for all tries."""
        form = Form(question.fields, self._api_key)
        return send_tries(self._clock)(self._post, question, form, self._deadline())

    def ask(self, question: Question) -> Seen:
        """Post something that does no harm if it arrives twice: it is tried again after every transient error."""
        form = Form(question.fields, self._api_key)
        with tracing.span("read", call=question.call) as note:
            seen = read_tries(self._clock)(lambda: self._post(question, form, self._deadline()))
            note(messages=len(seen.messages or ()))
            return seen

    def _deadline(self) -> float:
        return self._clock.elapsed_seconds() + self._timeouts.total.total_seconds()

    def _post(self, question: Question, form: Form, deadline: float) -> Seen:
        reader = ReplyReader(max_messages=question.max_messages, keep=question.keep)
        exchange = Exchange(self._clock, self._timeouts, deadline, question.before_first_byte, reader.feed)
        began, outcome = self._clock.elapsed_seconds(), ANSWERED
        try:
            return self._exchanged(question, form, reader, exchange)
        except GatewayError as error:
            if question.found_none is None or not question.found_none(error):
                outcome = error.outcome.value
            raise
        finally:
            took = self._clock.elapsed_seconds() - began - exchange.check_seconds
            metrics.observe(metrics.GATEWAY_REQUESTS, took, question.call, outcome)

    def _exchanged(self, question: Question, form: Form, reader: ReplyReader, exchange: Exchange) -> Seen:
        seen = Seen(is_send=question.is_send, sent=question.sent, learned=self._learned)
        header: str | None = None
        # Errors are raised outside the handlers: inside, they would carry the frames of the HTTP libraries, whose local
        # variables hold the body with the key and the texts, and some tracebacks print local variables.
        aborted: Aborted | None = None
        try:
            response = self._transport.handle_request(self._request(question.path, form, exchange))
            header = response.headers.get("Retry-After")
            seen = replace(seen, status=response.status_code, reply=reader.reply())
        except Aborted as error:
            aborted = error.with_traceback(None)
        except Exception as error:  # whatever it was, the request may have left: the classifier decides
            seen = replace(
                seen, error=error.with_traceback(None), bytes_written=exchange.bytes_written, reply=reader.broken()
            )
        if aborted is not None:
            aborted.evidence = {**aborted.evidence, **progress_of(exchange, Aborted)}
            raise aborted
        verdict = classify(seen)
        done_already = question.fine is not None and seen.is_failure() and question.fine(seen.error_text)
        if verdict.error is None or (done_already and verdict.error.outcome is SendOutcome.UNKNOWN):
            return seen
        raise verdict.error(
            verdict.sentence,
            code=seen.code,
            retry_after=retry_after(header, self._clock.now()),
            evidence=evidence_of(seen, verdict.error, exchange, self._private(question)),
        )

    def _private(self, question: Question) -> tuple[str, ...]:
        return (*question.private, *(question.sent or ()), self._api_key.get_secret_value())

    def _request(self, path: str, form: Form, exchange: Exchange) -> httpx.Request:
        return httpx.Request(
            "POST",
            self._addresses.get(path) or self._addresses.setdefault(path, self._url.join(path)),
            headers=_HEADERS,
            content=form.content(),
            extensions={"exchange": exchange},
        )


def checked_url(url: str) -> httpx.URL:
    """Return the gateway's address, ending in a slash. Raises ValueError, without quoting it, if it cannot be one."""
    try:
        parsed = httpx.URL(url.strip())
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError("The gateway's URL must begin with http:// or https://, followed by the name of a server.")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise ValueError("The gateway's URL must have no user name, question mark or #: the API key is a setting.")
    return parsed.copy_with(path=parsed.path.rstrip("/") + "/")
