"""A small gateway inside the test, with its own ledger and a misbehaviour for every request that wants one."""

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl

import httpx

from tests.support.clocks import FakeClock

LISTS: Final = {7: ("+393337000001", "+393337000002", "+393337000003")}
"""The contact lists it keeps."""


RECEIVED: Final = "Received"


class Stores(StrEnum):
    """Which part of a send takes effect."""

    ALL = "all"
    HALF = "half"
    NONE = "none"


class Answers(StrEnum):
    """What the client sees of a send."""

    OK = "ok"
    LEFT_OUT = "left out"  # a good reply that does not name everybody
    HIDDEN = "a good reply that does not name the first one, who has the text all the same"
    HTTP_500 = "http 500"
    CODE_500 = "code 500 in the body"
    TIMEOUT = "timeout"
    NO_CONNECTION = "no connection"
    EMPTY = "empty body"
    HTML = "a page"
    BALANCE = "a balance instead of messages"
    SLOWER = "http 429"
    TOO_BIG = "http 413"
    BAD_KEY = "bad key"
    NO_CREDITS = "no credits"
    REDIRECT = "redirect"
    BAD_DEVICE = "bad device"
    BAD_FORMAT = "bad format"


@dataclass(frozen=True, slots=True)
class Send:
    """How one send goes. `meanwhile` runs while the request is on its way."""

    answers: Answers = Answers.OK
    stores: Stores = Stores.ALL
    meanwhile: Callable[[], object] | None = None


LOST: Final = Send(Answers.TIMEOUT, Stores.NONE)
STORED: Final = Send(Answers.TIMEOUT, Stores.ALL)
"""Requests without a reply: one never arrived, one did."""


@dataclass(slots=True)
class Stored:
    """A message as the gateway has it."""

    id: int
    number: str
    text: str
    group: str | None
    at: datetime
    status: str = "Pending"
    retries: int = 0
    result_code: int | None = None
    device: str = "1"
    scheduled: datetime | None = None
    behind: timedelta = timedelta(0)  # how far behind the gateway's clock was when it accepted the message


class Reads(StrEnum):
    """How reads behave."""

    TRUE = "true"
    LYING_EMPTY = "lying empty"
    FAILING = "failing"


def answer(data: object) -> httpx.Response:
    return httpx.Response(200, text=json.dumps({"success": True, "data": data, "error": None}))


def refusal(code: int, text: str) -> httpx.Response:
    return httpx.Response(
        200, text=json.dumps({"success": False, "data": None, "error": {"code": code, "message": text}})
    )


@dataclass
class ScriptedGateway(httpx.BaseTransport):
    """Takes the place of the network below the client.

    Sends use up `script`, one entry each; then everything is `usual`. `largest` people fit into one request, and one
    with a number of `poison` is refused. `before_read` runs once, when the next read has arrived, and `meanwhile` when
    the next request of any kind has.
    Messages become visible to reads `lag` after they were stored. Without `has_groups`, requests have no group.
    """

    clock: FakeClock
    script: deque[Send] = field(default_factory=deque)
    usual: Send = field(default_factory=Send)
    largest: int = 1_000
    lag: timedelta = timedelta(0)
    reads: Reads = Reads.TRUE
    before_read: Callable[[], object] | None = None
    meanwhile: Callable[[], object] | None = None
    has_groups: bool = True
    behind: timedelta = timedelta(0)  # of its own clock, for dates and windows
    compares_schedule: bool = False  # the windows of reads, for messages that have one
    newest_only: int | None = None  # the most messages that a read shows
    has_windows: bool = True  # False: reads by status and time show nothing, because they compare something else
    heeds_time: bool = True  # False: they show everything of a status, whatever the time
    poison: set[str] = field(default_factory=set)
    key_works: bool = True
    is_down: bool = False  # a server in front of it answers 502 to everything
    credits: int | None = None
    stored: list[Stored] = field(default_factory=list)
    gone: list[Stored] = field(default_factory=list)  # what it had before it was set up anew
    sends: list[tuple[str, ...]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    asked_for_replies: list[dict[str, str]] = field(default_factory=list)
    balances: int = 0  # how often it was asked for the balance
    lists: dict[int, list[str]] = field(default_factory=lambda: {key: list(people) for key, people in LISTS.items()})
    lists_are_closed: bool = False  # True: nobody can be removed from a list

    # What tests ask for.

    def copies(self) -> Counter[str]:
        """The number of messages it has for each number."""
        return Counter(message.number for message in self.stored if message.status != RECEIVED)

    def copies_in_all(self) -> Counter[str]:
        """The same, including those of the gateway that is gone."""
        return self.copies() + Counter(message.number for message in self.gone if message.status != RECEIVED)

    def jump(self, by: timedelta) -> None:
        """The clock of the asking machine jumps, not the gateway's."""
        self.behind += by
        for message in self.stored:  # they were accepted as long ago as before
            message.at, message.behind = message.at + by, message.behind + by

    def set_all(self, status: str, *, numbers: Iterable[str] | None = None) -> None:
        """Let the phones report."""
        wanted = None if numbers is None else set(numbers)
        for message in self.stored:
            if message.status != RECEIVED and (wanted is None or message.number in wanted):
                message.status = status

    def store(
        self, rows: Iterable[tuple[str, str]], *, device: str = "1", scheduled: datetime | None = None
    ) -> list[Stored]:
        """Messages that are there, whoever sent them."""
        group = f")V{len(self.sends)}&=%{len(self.stored)}" if self.has_groups else None
        new = [
            Stored(
                1_001 + len(self.stored) + place,
                number,
                text,
                group,
                self.clock.now(),
                device=device,
                scheduled=scheduled,
                behind=self.behind,
            )
            for place, (number, text) in enumerate(rows)
        ]
        for message in new:
            message.status = "Scheduled" if scheduled else "Pending"
        self.stored += new
        return new

    def receive(self, number: str, text: str, *, ago: timedelta = timedelta(0), device: str = "1") -> Stored:
        """Somebody writes to a phone; `ago`: the phone has been offline since, and brings it only now."""
        id_, at = 1_001 + len(self.stored), self.clock.now() - ago
        message = Stored(id_, number, text, None, at, RECEIVED, device=device, behind=self.behind)
        self.stored.append(message)
        return message

    # The HTTP side.

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if (meanwhile := self.meanwhile) is not None:
            self.meanwhile = None
            meanwhile()
        form = dict(parse_qsl(request.content.decode(), keep_blank_values=True))
        if request.url.path.endswith("read-messages.php"):
            (self.asked_for_replies if form.get("status") == RECEIVED else self.asked).append(form)
            return self._read(form)
        if "unsubscribe" in form:
            return self._unsubscribe(form)
        if "message" not in form and "messages" not in form:
            self.balances += 1
            if self.is_down:
                return httpx.Response(502, text="Bad Gateway")
            return answer({"credits": self.credits}) if self.key_works else refusal(401, "This API key is invalid")
        return self._send(form)

    def _send(self, form: dict[str, str]) -> httpx.Response:
        rows = self._rows(form)
        send = self.script.popleft() if self.script else self.usual
        if self.is_down:
            send = Send(Answers.HTTP_500, Stores.NONE)
        elif not self.key_works:
            send = Send(Answers.BAD_KEY, Stores.NONE)
        if len(rows) > self.largest:
            send = Send(Answers.TOO_BIG, Stores.NONE)
        if self.poison & {number for number, _ in rows}:
            send = Send(Answers.BAD_FORMAT, Stores.NONE)
        self.sends.append(tuple(number for number, _ in rows))
        kept = {Stores.ALL: rows, Stores.HALF: rows[: len(rows) // 2], Stores.NONE: []}[send.stores]
        named = json.loads(form.get("devices") or "[]")
        scheduled = datetime.fromtimestamp(int(form["schedule"]), UTC) if "schedule" in form else None
        stored = self.store(kept, device=str(named[0]).partition("|")[0] if named else "1", scheduled=scheduled)
        if send.meanwhile is not None:
            send.meanwhile()
        return self._answer(send.answers, stored)

    def _unsubscribe(self, form: dict[str, str]) -> httpx.Response:
        people = self.lists[int(form["listID"])]
        if self.lists_are_closed:
            return refusal(500, "Something went wrong")
        if form["number"] not in people:
            return refusal(500, "This contact doesn't exist in the contacts list")
        people.remove(form["number"])
        return answer({"contact": {"ID": "1", "number": form["number"], "subscribed": False}})

    def _rows(self, form: dict[str, str]) -> list[tuple[str, str]]:
        if "listID" in form:
            return [(number, form["message"]) for number in self.lists[int(form["listID"])]]
        return [(row["number"], row["message"]) for row in json.loads(form["messages"])]

    def _answer(self, answers: Answers, stored: list[Stored]) -> httpx.Response:
        match answers:
            case Answers.OK | Answers.LEFT_OUT:
                return answer({"messages": [self._shown(message) for message in stored]})
            case Answers.HIDDEN:
                return answer({"messages": [self._shown(message) for message in stored[1:]]})
            case Answers.HTTP_500:
                return httpx.Response(500, text="Internal Server Error")
            case Answers.CODE_500:
                return refusal(500, "Qualcosa è andato storto")
            case Answers.TIMEOUT:
                raise httpx.ReadTimeout("timed out")
            case Answers.NO_CONNECTION:
                raise httpx.ConnectError("connection refused")
            case Answers.EMPTY:
                return httpx.Response(200, text="")
            case Answers.HTML:
                return httpx.Response(200, text="<html>Bad day</html>")
            case Answers.BALANCE:
                return answer({"credits": 100})
            case Answers.SLOWER:
                return httpx.Response(429, headers={"Retry-After": "7"}, text="slower")
            case Answers.TOO_BIG:
                return httpx.Response(413, text="too long")
            case Answers.BAD_KEY:
                return refusal(401, "This API key is invalid")
            case Answers.NO_CREDITS:
                return refusal(500, "You have insufficient credits to send messages")
            case Answers.REDIRECT:
                return httpx.Response(302, headers={"Location": "https://login.example/"})
            case Answers.BAD_DEVICE:
                return refusal(500, "This device doesn't exist")
            case Answers.BAD_FORMAT:
                return refusal(500, "Invalid request format")

    def _read(self, form: dict[str, str]) -> httpx.Response:
        if self.is_down:
            return httpx.Response(502, text="Bad Gateway")
        if not self.key_works:
            return refusal(401, "This API key is invalid")
        if (meanwhile := self.before_read) is not None:
            self.before_read = None
            meanwhile()
        if self.reads is Reads.FAILING:
            return refusal(500, "Cannot connect to the database")
        visible = [m for m in self.stored if m.at + self.lag <= self.clock.now()]
        if "status" in form and not self.has_windows:
            visible = []
        if self.reads is Reads.LYING_EMPTY:
            visible = []
        shown = [self._shown(m) for m in visible if self._is_asked_for(m, form)]
        return answer({"messages": shown[-self.newest_only :] if self.newest_only else shown})

    def _shown(self, message: Stored) -> dict[str, object]:
        return {
            "ID": str(message.id), "number": message.number, "message": message.text,
            "deviceID": message.device, "simSlot": "0", "status": message.status,
            "sentDate": (message.at - message.behind).isoformat(), "deliveredDate": None, "groupID": message.group,
            "retries": message.retries, "resultCode": message.result_code,
        }  # fmt: skip

    def _is_asked_for(self, message: Stored, form: dict[str, str]) -> bool:
        if "id" in form:
            return message.id == int(form["id"])
        if "groupId" in form:
            return message.group == form["groupId"]
        if not self.heeds_time:
            return message.status == form["status"]
        start, end = int(form["startTimestamp"]), int(form["endTimestamp"])
        date = (message.scheduled or message.at if self.compares_schedule else message.at) - message.behind
        return message.status == form["status"] and start <= date.timestamp() <= end
