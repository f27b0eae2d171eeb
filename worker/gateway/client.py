"""The gateway's HTTP API, as methods. A client can be used from any number of threads."""

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

import httpx
from pydantic import SecretStr

from campaigns.clock import Clock
from worker.certificates import trusting
from worker.gateway.classify import missing_numbers
from worker.gateway.connection import CheckedTransport, DirectTransport, Timeouts
from worker.gateway.errors import GatewayError, ReplyImplausible, SendOutcome
from worker.gateway.forms import (
    FieldValue,
    OutgoingMessage,
    SendOption,
    bulk_rows,
    checked_target,
    require_text,
    target_list,
    unix_seconds,
)
from worker.gateway.posting import CONTACTS, READ, SEND, Poster, Question, checked_url
from worker.gateway.reading import MAX_MESSAGES
from worker.gateway.results import Balance, Contact, Message, SendReply
from worker.gateway.statuses import WORD_TO_ASK_FOR, MessageStatus
from worker.gateway.wire import clean_text, whole_number

_NOTHING_FOUND: Final = 404
_MORE_THAN_SENT: Final = 10
_MOST_LISTED: Final = 25_000  # people on a contact list: about as many as fit into the longest reply allowed
_NOTHING_LEARNED: Final[Mapping[str, SendOutcome]] = MappingProxyType({})

# Live servers report both as errors; their exact texts are not documented.
_ON_THE_LIST_ALREADY: Final = re.compile(r"already", re.I)
_NOT_ON_THE_LIST: Final = re.compile(
    r"already|(contact|number|subscriber)(?!s? ?list)\b.*(not (found|exist|subscribed)|doesn.{1,6}t exist)", re.I
)


class GatewayClient:
    """One account on one gateway.

    `learned` maps error texts, by their `evidence["error_fingerprint"]`, to the outcome that a person declared them to
    mean; `nothing` holds those that mean that a read found none. `ca_file` names authorities to trust besides the usual
    ones; `transport` replaces the network in tests. `max_messages` is the most that one reply to a read may hold; more
    is a ReplyTooLong. Methods raise GatewayError; the constructor raises ValueError for a URL that cannot be a
    gateway's, and SettingsError for a `ca_file` that cannot be used.
    """

    def __init__(
        self,
        url: str,
        api_key: SecretStr,
        *,
        clock: Clock,
        timeouts: Timeouts | None = None,
        learned: Mapping[str, SendOutcome] = _NOTHING_LEARNED,
        nothing: Collection[str] = (),
        ca_file: Path | None = None,
        transport: httpx.BaseTransport | None = None,
        max_messages: int = MAX_MESSAGES,
    ) -> None:
        self.max_messages = max_messages
        self._url = checked_url(url)
        self._nothing = frozenset(nothing)
        network: httpx.BaseTransport
        if transport is not None:
            network = CheckedTransport(transport)
        else:
            network = DirectTransport(trusting(ca_file) if self._url.scheme == "https" else None)
        self._poster = Poster(self._url, api_key, clock, timeouts or Timeouts(), learned, network)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"GatewayClient({str(self._url)!r})"

    def close(self) -> None:
        """Close the transport."""
        self._poster.close()

    # Sends: one POST. It is repeated only if no connection was made, at most 3 times within 10 s.

    def send_bulk(
        self,
        messages: Sequence[OutgoingMessage],
        *,
        targets: Sequence[str] = (),
        option: SendOption = SendOption.SPECIFIED,
        random_device: bool = False,
        schedule: datetime | None = None,
        before_first_byte: Callable[[], None] | None = None,
    ) -> SendReply:
        """Send many texts in one request. `targets` are device ids or `id|slot`; none is the primary device.

        `before_first_byte` runs once the connection is up, and may raise Aborted.
        """
        return self._send(
            {
                "messages": bulk_rows(messages),
                "devices": target_list(targets),
                "option": option,
                "useRandomDevice": random_device,
                "schedule": unix_seconds(schedule),
            },
            sent=tuple(message.number for message in messages),
            private=tuple(message.text for message in messages),
            before_first_byte=before_first_byte,
        )

    def send_one(
        self,
        number: str,
        text: str,
        *,
        target: str | None = None,
        schedule: datetime | None = None,
        before_first_byte: Callable[[], None] | None = None,
    ) -> SendReply:
        """Send one text to one number."""
        require_text(number, text)
        return self._send(
            {
                "number": number,
                "message": text,
                "devices": checked_target(target) if target else None,
                "schedule": unix_seconds(schedule),
            },
            sent=(number,),
            private=(text,),
            before_first_byte=before_first_byte,
        )

    def send_to_list(
        self,
        list_id: int,
        text: str,
        *,
        targets: Sequence[str] = (),
        option: SendOption = SendOption.SPECIFIED,
        random_device: bool = False,
        schedule: datetime | None = None,
        before_first_byte: Callable[[], None] | None = None,
    ) -> SendReply:
        """Send one text to a contact list of the gateway; only the reply says who it went to."""
        require_text(str(list_id), text)
        return self._send(
            {
                "listID": list_id,
                "message": text,
                "devices": target_list(targets),
                "option": option,
                "useRandomDevice": random_device,
                "schedule": unix_seconds(schedule),
            },
            sent=None,
            private=(text,),
            before_first_byte=before_first_byte,
        )

    # Reads, balance and contacts: harmless if repeated, so transient errors are tried 5 times within 30 s.

    def balance(self) -> Balance:
        """Return the account's credits."""
        envelope = self._poster.ask(Question(SEND, {})).envelope
        found = envelope.data.get("credits", ...) if envelope else ...
        if found is None:
            return Balance(None)
        whole = math.floor(found) if isinstance(found, float) and math.isfinite(found) else whole_number(found)
        if whole is None:
            raise ReplyImplausible("The gateway's reply to a balance request contains no credits.")
        return Balance(whole)

    def read_message(self, id: int) -> Message | None:
        """Return one message by the gateway's id; None if there is none."""
        return next((message for message in self._read({"id": id}) if message.id == id), None)

    def read_group(self, group_id: str) -> tuple[Message, ...]:
        """Return the messages of one group. Complete only if every id that the caller expects is among them."""
        return self._read({"groupId": group_id})  # a small d: `groupID` would be ignored, and every message returned

    def read_status(
        self,
        status: MessageStatus,
        start: datetime,
        end: datetime,
        *,
        keep: Callable[[Message], bool] | None = None,
    ) -> tuple[Message, ...]:
        """Return the messages of one status between two aware times; with `keep`, only those that it accepts.

        The gateway has no paging: raises ReplyTooLong for more than `max_messages`, more than 8 MiB, or a message of
        more than 1 MiB. With `keep`, rejected messages do not count, up to 64 MiB in all. `keep` may be called twice
        for a message, because a read is retried.
        """
        return self._read(
            {
                "status": WORD_TO_ASK_FOR[status],
                "startTimestamp": unix_seconds(start),
                "endTimestamp": unix_seconds(end + timedelta(microseconds=999_999)),  # whole seconds, rounded up
            },
            keep,
        )

    def add_contact(self, list_id: int, number: str, name: str | None = None, *, resubscribe: bool = False) -> Contact:
        """Put a number on a contact list. A number that is already on it counts as done."""
        asked = Contact(list_id, number, name, subscribed=True, id=None)
        return self._contact(asked, {"name": name, "resubscribe": resubscribe or None}, _ON_THE_LIST_ALREADY)

    def unsubscribe_contact(self, list_id: int, number: str) -> Contact:
        """Take a number off a contact list. A number that is not on it counts as done."""
        asked = Contact(list_id, number, name=None, subscribed=False, id=None)
        return self._contact(asked, {"unsubscribe": True}, _NOT_ON_THE_LIST)

    def _contact(self, asked: Contact, fields: Mapping[str, FieldValue], already: re.Pattern[str]) -> Contact:
        question = Question(
            CONTACTS,
            {"listID": asked.list_id, "number": asked.number, **fields},
            private=(asked.number, asked.name or ""),
            fine=already.search,
        )
        envelope = self._poster.ask(question).envelope
        row = envelope.data.get("contact") if envelope else None
        if not isinstance(row, dict):
            return asked
        return replace(
            asked,
            number=clean_text(row.get("number")) or asked.number,
            name=clean_text(row.get("name")) or asked.name,
            id=whole_number(row.get("ID")),
        )

    def _send(
        self,
        fields: Mapping[str, FieldValue],
        *,
        sent: tuple[str, ...] | None,
        private: tuple[str, ...],
        before_first_byte: Callable[[], None] | None,
    ) -> SendReply:
        # A reply that shows every text twice is still read: it is reported as implausible.
        at_most = _MOST_LISTED if sent is None else 2 * len(sent) + _MORE_THAN_SENT
        question = Question(SEND, fields, True, sent, private, before_first_byte, max_messages=at_most)
        messages = self._poster.send(question).messages or ()
        return SendReply(messages, missing_numbers(messages, sent or ()))

    def _read(
        self, fields: Mapping[str, FieldValue], keep: Callable[[Message], bool] | None = None
    ) -> tuple[Message, ...]:
        question = Question(READ, fields, max_messages=self.max_messages, keep=keep, found_none=self._found_none)
        try:
            messages = self._poster.ask(question).messages
        except GatewayError as error:
            if self._found_none(error):
                return ()
            raise
        if messages is None:
            raise ReplyImplausible("The gateway's reply to a request for messages contains no readable list of them.")
        return messages

    def _found_none(self, error: GatewayError) -> bool:
        return error.code == _NOTHING_FOUND or error.evidence.get("error_fingerprint") in self._nothing
