"""An in-memory gateway for the histories: growing IDs, groups, late commits, every form of reply, reads that lie."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import httpx

from worker.gateway import MessageStatus
from worker.gateway.reading import reply_of
from worker.gateway.results import Message
from worker.gateway.seen import Seen

LATEST_COMMIT: Final = timedelta(seconds=285)
"""The generator's version of the design's assumption: visible within `settle` (300 s) of `send_by`.

Less 5 s of clock error on each of two machines, and 5 s for the look itself."""

Row = dict[str, Any]
Origin = tuple[int, str]
"""(run, number): no two stored messages may share it. The model's own truth, which no decision ever sees."""


class Storing(StrEnum):
    """What the gateway keeps of a request."""

    NOTHING = "nothing"
    ALL = "all"
    SOME = "some"  # every second message, starting with the first
    LATE = "late"  # all, but visible only long after the connection is gone


class Dress(StrEnum):
    """How the stored messages differ from what was sent."""

    PLAIN = "plain"
    FOOTER = "footer"  # a line added below every text
    REWRITTEN = "rewritten"  # a template of the server instead of the text
    STRANGER = "stranger"  # a copy to somebody who was not in the request
    GROUPS = "groups"  # one group for every second message: one per device
    UNGROUPED = "ungrouped"  # no groupID at all


class Mood(StrEnum):
    """What reads return for a while."""

    HONEST = "honest"
    FAILING = "failing"  # every read fails
    HALTING = "halting"  # reads from `sent` on fail: a look starts well and stays incomplete
    EMPTY = "empty"  # every read succeeds and shows nothing at all


@dataclass(frozen=True, slots=True)
class Shape:
    """A reply made from the stored rows: an exception, or a status and body; and what it admits to have stored."""

    make: Callable[[list[Row]], Seen]
    goes_with: frozenset[Storing]


def _lost(error: Exception) -> Callable[[list[Row]], Seen]:
    return lambda _rows: Seen(error=error, bytes_written=999, is_send=True)


def _status(status: int, body: bytes = b"oops") -> Callable[[list[Row]], Seen]:
    return lambda _rows: Seen(status=status, reply=reply_of(body), is_send=True)


def _json(value: Callable[[list[Row]], object]) -> Callable[[list[Row]], Seen]:
    return lambda rows: Seen(status=200, reply=reply_of(json.dumps(value(rows)).encode()), is_send=True)


def _error(code: int, text: str) -> Callable[[list[Row]], Seen]:
    return _json(lambda _rows: {"success": False, "data": None, "error": {"code": code, "message": text}})


def _success(data: Callable[[list[Row]], object]) -> Callable[[list[Row]], Seen]:
    return _json(lambda rows: {"success": True, "data": data(rows), "error": None})


_ANY: Final = frozenset(Storing)
_REFUSAL: Final = frozenset({Storing.NOTHING})
_STORED: Final = frozenset({Storing.ALL, Storing.SOME})

SHAPES: Final[dict[str, Shape]] = {
    "accepted": Shape(_success(lambda rows: {"messages": rows}), _STORED),
    "accepted_reversed": Shape(_success(lambda rows: {"messages": rows[::-1]}), _STORED),
    # Refusals of the allow-list: a gateway that keeps its word has stored nothing.
    "redirect": Shape(_status(302), _REFUSAL),
    "http_401": Shape(_status(401), _REFUSAL),
    "http_403": Shape(_status(403), _REFUSAL),
    "http_404": Shape(_status(404), _REFUSAL),
    "http_405": Shape(_status(405), _REFUSAL),
    "http_413": Shape(_status(413), _REFUSAL),
    "http_429": Shape(_status(429), _REFUSAL),
    "bad_key": Shape(_error(401, "This API key is invalid"), _REFUSAL),
    "no_credits": Shape(_error(500, "You have insufficient credits"), _REFUSAL),
    "no_subscription": Shape(_error(500, "Your subscription has expired"), _REFUSAL),
    "no_sim": Shape(_error(500, "There is no SIM card present on slot index 1"), _REFUSAL),
    "no_device": Shape(_error(500, "This device doesn't exist"), _REFUSAL),
    "bad_format": Shape(_error(500, "Invalid request format"), _REFUSAL),
    # Everything after which the outcome is unknown.
    "read_timeout": Shape(_lost(httpx.ReadTimeout("slow")), _ANY),
    "write_error": Shape(_lost(httpx.WriteError("cut")), _ANY),
    "reset": Shape(_lost(httpx.ReadError("reset")), _ANY),
    "no_reply": Shape(_lost(httpx.RemoteProtocolError("closed")), _ANY),
    "unforeseen": Shape(_lost(RuntimeError("a new one")), _ANY),
    "http_201": Shape(_status(201), _ANY),
    "http_408": Shape(_status(408), _ANY),
    "http_500": Shape(_status(500), _ANY),
    "http_502": Shape(_status(502), _ANY),
    "http_504": Shape(_status(504), _ANY),
    "empty": Shape(_status(200, b""), _ANY),
    "html": Shape(_status(200, b"<html>Wartung</html>"), _ANY),
    "cut_json": Shape(_status(200, b'{"success": true, "data": {"mess'), _ANY),
    "not_its_json": Shape(_json(lambda _rows: ["hello"]), _ANY),
    "unknown_text": Shape(_error(500, "Etwas ist schiefgegangen"), _ANY),
    "unknown_code": Shape(_error(42, "Deadlock found when trying to get lock"), _ANY),
    "only_credits": Shape(_success(lambda _rows: {"credits": 7}), _ANY),
    "no_messages": Shape(_success(lambda _rows: {"messages": []}), _ANY),
    "null_messages": Shape(_success(lambda _rows: {"messages": None}), _ANY),
    "no_numbers": Shape(_success(lambda rows: {"messages": [{**row, "number": None} for row in rows]}), _ANY),
    "one_id": Shape(_success(lambda rows: {"messages": [{**row, "ID": 1} for row in rows * 2]}), _ANY),
    "foreign_row": Shape(_success(lambda rows: {"messages": [*rows, {"ID": 1, "number": "+999"}]}), _ANY),
}


@dataclass(frozen=True, slots=True)
class SendFault:
    """What happens to one POST. `refused_connection`: it never reaches the gateway."""

    shape: str = "accepted"
    storing: Storing = Storing.ALL
    dress: Dress = Dress.PLAIN
    lag: timedelta = timedelta(0)  # until reads show what was stored
    refused_connection: bool = False

    @property
    def name(self) -> str:
        """The name under which it is counted."""
        if self.refused_connection:
            return "no_connection"
        dress = "" if self.dress is Dress.PLAIN else f"+{self.dress}"
        return f"{self.shape}/{self.storing}{dress}"

    @property
    def is_wrong_row(self) -> bool:
        """Return whether it is a refusal from the allow-list although the messages are there."""
        return SHAPES[self.shape].goes_with == _REFUSAL and self.storing is not Storing.NOTHING


@dataclass(slots=True)
class Stored:
    """A message that the gateway has."""

    message: Message
    stored_at: datetime
    visible_at: datetime
    origin: Origin | None  # None: not one of ours


class ReadError(Exception):
    """The read returned nothing usable."""


@dataclass(slots=True)
class ModelGateway:
    """The messages, and what is currently wrong with the gateway."""

    messages: list[Stored] = field(default_factory=list)
    mood: Mood = Mood.HONEST
    last_id: int = 1000
    last_group: int = 0

    def receive(self, people: Sequence[tuple[Origin, str, str]], fault: SendFault, now: datetime) -> Seen:
        """Handle one POST of (origin, number, text) that was written to its last byte; return the reply."""
        kept = people if fault.storing is not Storing.SOME else people[::2]
        rows = [] if fault.storing is Storing.NOTHING else self._store(kept, fault, now)
        return SHAPES[fault.shape].make(rows)

    def overhear(self, people: Sequence[tuple[str, str]], now: datetime) -> None:
        """Somebody else sends (number, text) through the same account, in one request."""
        self.last_group += 1
        for number, text in people:
            self._add(number, text, f"g{self.last_group}", now, now, None)

    def read_status(
        self, status: MessageStatus, start: datetime, end: datetime, now: datetime, mood: Mood | None = None
    ) -> list[Message]:
        """What a read by status and time shows now, in this mood or the current one. Raises ReadError."""
        mood = mood or self.mood
        if mood is Mood.FAILING or (mood is Mood.HALTING and status is MessageStatus.SENT):
            raise ReadError
        if mood is Mood.EMPTY:
            return []
        return [
            stored.message
            for stored in self.messages
            if stored.visible_at <= now and start <= stored.stored_at <= end and status is status_at(stored, now)
        ]

    def _store(self, people: Sequence[tuple[Origin, str, str]], fault: SendFault, now: datetime) -> list[Row]:
        self.last_group += 1
        visible_at = now + (LATEST_COMMIT if fault.storing is Storing.LATE else fault.lag)
        rows = []
        for place, (origin, number, text) in enumerate(people):
            group: str | None = f"g{self.last_group}"
            if fault.dress is Dress.GROUPS:
                group = f"g{self.last_group}.{place % 2}"
            elif fault.dress is Dress.UNGROUPED:
                group = None
            if fault.dress is Dress.FOOTER:
                text = f"{text}\nSent by ACME"
            elif fault.dress is Dress.REWRITTEN:
                text = "Dear customer, you have news"
            rows.append(self._add(number, text, group, now, visible_at, origin))
        if fault.dress is Dress.STRANGER:
            rows.append(self._add("+39000", people[0][2], f"g{self.last_group}", now, visible_at, None))
        return rows

    def _add(
        self, number: str, text: str, group: str | None, now: datetime, visible_at: datetime, origin: Origin | None
    ) -> Row:
        self.last_id += 1
        message = Message(
            self.last_id, number.lstrip("+"), text, 1, 0, MessageStatus.PENDING, "Pending",
            None, None, group, None, None, 0,
        )  # fmt: skip
        self.messages.append(Stored(message, now, visible_at, origin))
        return {"ID": self.last_id, "number": message.number, "message": text, "groupID": group, "status": "Pending"}


def status_at(stored: Stored, now: datetime) -> MessageStatus:
    """How far the phone is: IDs with remainder 3 modulo 4 never make progress, one in 16 fails."""
    age_seconds = (now - stored.visible_at).total_seconds()
    if age_seconds < 3 or stored.message.id % 4 == 3:
        return MessageStatus.PENDING
    if stored.message.id % 16 == 5:
        return MessageStatus.FAILED
    return MessageStatus.SENT if age_seconds < 30 else MessageStatus.DELIVERED
