"""The three documented services and the sandbox's own inbound call: from form fields to the `data` of a reply."""

import json
from collections.abc import Iterable
from typing import Final

from worker.sandbox.errors import ApiError, invalid_request
from worker.sandbox.exchange import ChangeShown, ChangeTexts, Request, RequestKind, Text, all_found, as_they_are
from worker.sandbox.forms import is_true, timestamp, whole_number
from worker.sandbox.messages import LAST_SECOND, Query, StoredMessage
from worker.sandbox.replies import Row, contact_row, message_rows
from worker.sandbox.running.options import Profile
from worker.sandbox.state import SandboxState
from worker.sandbox.targets import Target, parse_targets

Fields = dict[str, str]
Data = dict[str, object]

NOBODY: Final = -1
"""An ID that no message has: an unreadable number asks for this one."""


class Services:
    """All calls of one sandbox. Every method raises `ApiError` for anything that a live server would refuse."""

    def __init__(self, state: SandboxState, profile: Profile, *, heeds_time: bool = True) -> None:
        self._state = state
        self._profile = profile
        self._heeds_time = heeds_time

    def perform(
        self,
        request: Request,
        now: float,
        texts: ChangeTexts = as_they_are,
        shown: ChangeShown = all_found,
    ) -> Data:
        """Carry a request out; `texts` changes what a send stores, `shown` what a read shows."""
        if request.kind is RequestKind.SEND:
            return self._send(request, now, texts)
        if request.kind is RequestKind.READ:
            return {"messages": self.rows(self.found(request.fields, now, shown), now)}
        if request.kind is RequestKind.CONTACTS:
            return self._change_contacts(request.fields)
        return {"credits": self._state.credits}

    def _send(self, request: Request, now: float, texts: ChangeTexts) -> Data:
        """Handle `send.php`: one text, several, or a contact list."""
        fields = request.fields
        messages = self._state.accept(
            texts(self._texts(fields)),
            self._targets(fields),
            schedule=timestamp(fields, "schedule"),
            random_target=is_true(fields, "useRandomDevice"),
            now=now,
            request=request.number,
        )
        return {"messages": self.rows(messages, now)}

    def _targets(self, fields: Fields) -> tuple[Target, ...]:
        return parse_targets(fields.get("devices", ""), fields.get("option", ""))

    def _texts(self, fields: Fields) -> list[Text]:
        if is_true(fields, "messages"):
            return _bulk_texts(fields["messages"])
        if is_true(fields, "number"):
            return [(fields["number"], fields["message"])]
        contacts = self._state.contacts.subscribed(_list_id(fields))
        if not contacts:
            raise ApiError(500, "There are no subscribed contacts in this contacts list.")
        return [(contact.number, fields["message"]) for contact in contacts]

    def found(self, fields: Fields, now: float, shown: ChangeShown = all_found) -> list[StoredMessage]:
        """Handle `read-messages.php`: all filters combine; unknown fields, even `groupID` (big D), are ignored."""
        start = timestamp(fields, "startTimestamp")
        end = timestamp(fields, "endTimestamp")
        query = Query(
            id=_number_or_nobody(fields, "id"),
            group=fields["groupId"] if is_true(fields, "groupId") else None,
            status=fields["status"].lower() if is_true(fields, "status") else None,
            device=_number_or_nobody(fields, "deviceID"),
            sim=_number_or_nobody(fields, "simSlot") if fields.get("simSlot") != "0" else 0,
            start=(start or 0) if self._heeds_time else 0,
            end=(end or LAST_SECOND) if self._heeds_time else LAST_SECOND,
        )
        messages = shown(self._state.messages.find(query, now))
        if not messages and self._profile is Profile.STRINGS:
            raise ApiError(404, "No messages found.")
        return messages

    def rows(self, messages: Iterable[StoredMessage], now: float) -> list[Row]:
        """Return the rows of a reply for these messages."""
        return message_rows(messages, self._profile, now)

    def _change_contacts(self, fields: Fields) -> Data:
        """Handle `manage-contacts.php`: add, subscribe again, or unsubscribe."""
        number = fields.get("number", "").strip()
        if not number:
            raise invalid_request()
        contacts = self._state.contacts
        if is_true(fields, "unsubscribe"):
            contact = contacts.unsubscribe(_list_id(fields), number)
        else:
            name = fields.get("name", "").strip()
            contact = contacts.add(_list_id(fields), number, name, resubscribe=is_true(fields, "resubscribe"))
        return {"contact": contact_row(contact, self._profile)}

    def inbound(self, fields: Fields, now: float) -> StoredMessage:
        """Handle the sandbox's own call: a person's text arrives."""
        number, text = fields.get("number", "").strip(), fields.get("message", "")
        if not (number and text):
            raise invalid_request()
        return self._state.receive(number, text, now=now)


def _bulk_texts(text: str) -> list[Text]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        raise invalid_request() from None
    if not isinstance(parsed, list) or not parsed:
        raise invalid_request()
    rows = []
    for row in parsed:
        if not isinstance(row, dict):
            raise invalid_request()
        number, message = row.get("number"), row.get("message")
        if not (isinstance(number, int | str) and isinstance(message, int | str) and number and message):
            raise invalid_request()
        rows.append((str(number), str(message)))
    return rows


def _list_id(fields: Fields) -> int:
    list_id = whole_number(fields.get("listID", ""))
    if list_id is None:
        raise invalid_request()
    return list_id


def _number_or_nobody(fields: Fields, name: str) -> int | None:
    if not is_true(fields, name):
        return None
    number = whole_number(fields[name])
    return NOBODY if number is None else number
