"""A request and its reply, as the parts of the sandbox pass them on."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from worker.sandbox.forms import is_true
from worker.sandbox.messages import StoredMessage

Text = tuple[str, str]
"""A number, and the text to send to it."""

ChangeTexts = Callable[[list[Text]], list[Text]]
ChangeShown = Callable[[list[StoredMessage]], list[StoredMessage]]


class RequestKind(StrEnum):
    """What a client wanted."""

    SEND = "send"
    READ = "read"
    CONTACTS = "contacts"
    BALANCE = "balance"  # a `send.php` with nothing to send
    CONNECT = "connect"  # a TCP connection from which nothing has been read yet


PATHS: Final = {
    "/services/send.php": RequestKind.SEND,  # or BALANCE: its form decides
    "/services/read-messages.php": RequestKind.READ,
    "/services/manage-contacts.php": RequestKind.CONTACTS,
}
"""The documented services. A path that is not here is the sandbox's own."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request with a valid or invalid key, its form decoded. `number` counts all requests of a sandbox from 1."""

    kind: RequestKind
    fields: dict[str, str]
    number: int


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer. API errors are in the body and have status 200.

    `stored` holds the IDs that the request made. With `is_dropped` nothing of this is written: the connection is reset.
    """

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    stored: range = range(0)
    is_dropped: bool = False


def as_they_are(items: list[Text]) -> list[Text]:
    """Return every text of a request."""
    return items


def all_found(found: list[StoredMessage]) -> list[StoredMessage]:
    """Return every message that a query finds."""
    return found


class Perform(Protocol):
    """Carries a request out, and returns the honest reply.

    `texts` changes what a send stores, `shown` what a read shows of the messages it found.
    """

    def __call__(
        self,
        *,
        texts: ChangeTexts = as_they_are,
        shown: ChangeShown = all_found,
    ) -> Reply: ...


def kind_of(path: str, fields: dict[str, str]) -> RequestKind:
    """Return the kind of a request to one of `PATHS`. Raises `KeyError` for another path.

    Source: the documentation's modes of `send.php`; a request whose text got lost is a balance request.
    """
    kind = PATHS[path]
    if kind is not RequestKind.SEND:
        return kind
    has_text = fields.get("message", "") != "" and (is_true(fields, "number") or is_true(fields, "listID"))
    return RequestKind.SEND if has_text or is_true(fields, "messages") else RequestKind.BALANCE
