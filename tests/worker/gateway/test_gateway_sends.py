"""Sends, as a table: what came back, and what it means."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from campaigns.codes import FAILURE, FailureCode
from tests.worker.gateway.gateway_cases import ANNA, BOB, KEY, Answer, caught, failure, row, success, wired
from worker.gateway import (
    Aborted,
    AccountRefused,
    ConnectFailed,
    DeviceRefused,
    FailureUnknown,
    GatewayError,
    ReplyImplausible,
    ReplyLost,
    ReplyUnreadable,
    RequestRefused,
    SendOption,
    SendOutcome,
    ServerFailed,
    Throttled,
    TooBig,
)
from worker.gateway.seen import error_fingerprint


@dataclass(frozen=True)
class SendCase:
    """Anna gets a text; the gateway gives these answers, one for each try."""

    name: str
    error: type[GatewayError] | None
    answers: Sequence[Answer]
    code: int | None = None
    evidence: dict[str, object] = field(default_factory=dict)


CASES = [
    SendCase("accepted", None, [success(messages=[row()])]),
    SendCase("ids as integers", None, [success(messages=[row(id=7, deviceID=1, simSlot=None)])]),
    SendCase("number without its plus", None, [success(messages=[row(number="393331234567")])]),
    SendCase("number as an integer", None, [success(messages=[row(number=393331234567)])]),
    SendCase("as text/html", None, [httpx.Response(200, html=success(messages=[row()]).text)]),
    SendCase("failed at once is accepted all the same", None, [success(messages=[row(status="Failed")])]),
    SendCase("bad key", AccountRefused, [failure(401, "This API key is invalid")], code=401),
    SendCase("no credits", AccountRefused, [failure(500, "You have insufficient credits to send.")], code=500),
    SendCase("expired", AccountRefused, [failure(500, "YOUR SUBSCRIPTION has expired")], code=500),
    SendCase("no SIM", DeviceRefused, [failure(500, "There is no SIM card present on slot index 1")], code=500),
    SendCase("no device", DeviceRefused, [failure("500", "This device doesn&#039;t exist")], code=500),
    SendCase("bad format", RequestRefused, [failure(500, "Invalid request format.")], code=500),
    SendCase("unknown text", FailureUnknown, [failure(500, "Lock wait timeout")], code=500),
    SendCase("known text, not at its beginning", FailureUnknown, [failure(500, "Error: invalid request format")], 500),
    SendCase("failure without an error", FailureUnknown, [httpx.Response(200, json={"success": False})]),
    SendCase("redirect", AccountRefused, [httpx.Response(302, headers={"Location": "https://elsewhere.example"})]),
    SendCase("401", AccountRefused, [httpx.Response(401)]),
    SendCase("403", AccountRefused, [httpx.Response(403, text="forbidden")]),
    SendCase("404", AccountRefused, [httpx.Response(404)], code=None),
    SendCase("405", AccountRefused, [httpx.Response(405)]),
    SendCase("413", TooBig, [httpx.Response(413)]),
    SendCase("429", Throttled, [httpx.Response(429)]),
    SendCase("500", ServerFailed, [httpx.Response(500)]),
    SendCase("500 with a refusal in it", ServerFailed, [httpx.Response(500, json={"success": False})]),
    SendCase("502", ServerFailed, [httpx.Response(502, html="<h1>Bad gateway</h1>")]),
    SendCase("503 with a wait", ServerFailed, [httpx.Response(503, headers={"Retry-After": "5"})]),
    SendCase("201", ReplyImplausible, [httpx.Response(201, json={"success": True, "data": {"messages": [row()]}})]),
    SendCase("204", ReplyImplausible, [httpx.Response(204)]),
    SendCase("400", ReplyImplausible, [httpx.Response(400)]),
    SendCase("empty", ReplyUnreadable, [httpx.Response(200)]),
    SendCase("blank", ReplyUnreadable, [httpx.Response(200, text=" \r\n")]),
    SendCase("HTML", ReplyUnreadable, [httpx.Response(200, html="<br><b>Fatal error</b>")]),
    SendCase("cut", ReplyUnreadable, [httpx.Response(200, content=success(messages=[row()]).content[:-1])]),
    SendCase("a list", ReplyUnreadable, [httpx.Response(200, json=[])]),
    SendCase("success as text", ReplyUnreadable, [httpx.Response(200, json={"success": "true"})]),
    SendCase("nested without end", ReplyUnreadable, [httpx.Response(200, content=b"[" * 100_000)]),
    SendCase("not a number", ReplyUnreadable, [httpx.Response(200, content=b'{"success": true, "data": NaN}')]),
    SendCase("taken for a balance request", ReplyImplausible, [success(credits=5)]),
    SendCase("no data", ReplyImplausible, [httpx.Response(200, json={"success": True, "data": None})]),
    SendCase("no messages", ReplyImplausible, [success(messages=[])]),
    SendCase("messages are an object", ReplyImplausible, [success(messages={"0": row()})]),
    SendCase("a message without an id", ReplyImplausible, [success(messages=[row(id=None)])]),
    SendCase("a message with id 0", ReplyImplausible, [success(messages=[row(id=0)])]),
    SendCase("a message without a number", ReplyImplausible, [success(messages=[row(number=None)])]),
    SendCase("a null among the messages", ReplyImplausible, [success(messages=[row(), None])]),
    SendCase("to somebody else", ReplyImplausible, [success(messages=[row(number="+393330000000")])]),
    SendCase("to Anna and somebody else", ReplyImplausible, [success(messages=[row(), row(id=8, number="+393330")])]),
    SendCase("twice to Anna", ReplyImplausible, [success(messages=[row(id=7), row(id=8)])]),
    SendCase("twice the same message", ReplyImplausible, [success(messages=[row(), row()])]),
    SendCase("no connection, three times", ConnectFailed, [httpx.ConnectError("[Errno 111] refused")] * 3),
    SendCase("no connection, then accepted", None, [httpx.ConnectTimeout("slow"), success(messages=[row()])]),
    SendCase("no connection, then lost", ReplyLost, [httpx.ConnectError("refused"), httpx.ReadTimeout("slow")]),
    SendCase("read timeout", ReplyLost, [httpx.ReadTimeout("slow")], evidence={"cause": "ReadTimeout"}),
    SendCase("write timeout", ReplyLost, [httpx.WriteTimeout("slow")]),
    SendCase("reset", ReplyLost, [httpx.ReadError("reset")]),
    SendCase("closed without a reply", ReplyLost, [httpx.RemoteProtocolError("disconnected")]),
    SendCase("an exception nobody knows", ReplyLost, [ZeroDivisionError()], evidence={"cause": "ZeroDivisionError"}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_send(case: SendCase) -> None:
    with wired(*case.answers) as wire:
        if case.error is None:
            reply = wire.client.send_bulk([ANNA])
            assert [message.id for message in reply.messages] == [7]
            assert reply.missing == ()
            return
        error = caught(lambda: wire.client.send_bulk([ANNA]))
    assert type(error) is case.error
    assert error.code == case.code
    assert error.evidence[FAILURE] == case.error.failure
    assert case.evidence.items() <= error.evidence.items()
    assert error.may_have_arrived is (error.outcome is SendOutcome.UNKNOWN)
    assert error.account_problem is (case.error is AccountRefused)


def test_a_reply_that_leaves_somebody_out_is_accepted_and_says_whom() -> None:
    with wired(success(messages=[row(number=BOB.number)])) as wire:
        reply = wire.client.send_bulk([ANNA, BOB])
    assert [message.number for message in reply.messages] == [BOB.number]
    assert reply.missing == (ANNA.number,)
    assert ANNA.number not in repr(reply)


def test_a_batch_carries_what_the_documentation_asks_for() -> None:
    at = datetime(2026, 12, 1, 9, tzinfo=UTC)
    with wired(success(messages=[row()])) as wire:
        wire.client.send_bulk([ANNA], targets=("1", "2|0"), option=SendOption.ALL_SIMS, random_device=True, schedule=at)
    assert wire.paths == ["/gate/services/send.php"]
    assert wire.requests == [
        {
            "messages": f'[{{"number":"{ANNA.number}","message":"{ANNA.text}"}}]',
            "devices": '[1,"2|0"]',
            "option": "2",
            "useRandomDevice": "1",
            "schedule": str(int(at.timestamp())),
            "key": KEY,
        }
    ]


def test_one_message_has_fields_of_its_own() -> None:
    with wired(success(messages=[row()])) as wire:
        reply = wire.client.send_one(ANNA.number, "è & = + 😀", target="2|0")
    assert wire.requests == [{"number": ANNA.number, "message": "è & = + 😀", "devices": "2|0", "key": KEY}]
    assert reply.missing == ()


def test_a_list_send_takes_the_recipients_from_the_reply() -> None:
    with wired(success(messages=[row(), row(id=8, number=BOB.number)])) as wire:
        reply = wire.client.send_to_list(12, "Hello all")
    assert wire.requests == [
        {"listID": "12", "message": "Hello all", "option": "0", "useRandomDevice": "0", "key": KEY}
    ]
    assert [message.number for message in reply.messages] == [ANNA.number, BOB.number]


def test_an_empty_list_send_is_no_acceptance() -> None:
    with wired(success(messages=[])) as wire:
        assert type(caught(lambda: wire.client.send_to_list(12, "Hello all"))) is ReplyImplausible


def test_throttled_says_when() -> None:
    with wired(httpx.Response(429, headers={"Retry-After": "120"})) as wire:
        error = caught(lambda: wire.client.send_bulk([ANNA]))
    assert error.retry_after == timedelta(minutes=2)


def test_the_gateways_words_are_kept_without_what_is_private() -> None:
    with wired(failure(500, f"Cannot send {ANNA.text} to {ANNA.number} at 10:45 with {KEY}")) as wire:
        error = caught(lambda: wire.client.send_bulk([ANNA]))
    assert error.evidence["error_text"] == "Cannot send [...] to [...] at ##:## with [...]"


@pytest.mark.parametrize(
    "quoted",
    [
        "Hi Anna, priv",
        "hi  anna,\nPRIVATELY",
        "Hi\u00a0Anna, privately!",
        KEY[1:],
        KEY.upper(),
        KEY[:-1].title(),
    ],
)
def test_a_private_text_is_not_kept_if_it_is_quoted_in_another_way(quoted: str) -> None:
    with wired(failure(500, f"Error while sending ({quoted}) now")) as wire:
        error = caught(lambda: wire.client.send_bulk([ANNA]))

    kept = str(error.evidence["error_text"])
    assert kept.startswith("Error while sending ([...]")
    assert kept.endswith(" now")
    assert not set(re.findall("[a-z]{4,}", kept.lower())) & {"anna", "privately", "priv", "cr3t", "signs", "with"}


@pytest.mark.parametrize(
    ("learned", "expected"),
    [
        (SendOutcome.REFUSED, RequestRefused),
        (SendOutcome.ACCOUNT, AccountRefused),
        (SendOutcome.THROTTLED, Throttled),
        (SendOutcome.ACCEPTED, FailureUnknown),
        (SendOutcome.NOT_SENT, FailureUnknown),
    ],
)
def test_a_text_can_be_learned_but_never_as_a_proof(learned: SendOutcome, expected: type[GatewayError]) -> None:
    known = {error_fingerprint(500, "Le dispositif  3 est absent"): learned}
    with wired(failure(500, "le dispositif 44 est absent"), learned=known) as wire:
        assert type(caught(lambda: wire.client.send_bulk([ANNA]))) is expected


def test_the_last_check_can_stop_a_send() -> None:
    def stop() -> None:
        raise Aborted("The campaign was paused.")

    with wired() as wire:
        error = caught(lambda: wire.client.send_bulk([ANNA], before_first_byte=stop))
    assert type(error) is Aborted
    assert not error.may_have_arrived
    assert str(error) == "The campaign was paused."
    assert error.evidence == {FAILURE: FailureCode.ABORTED, "phase": "connect", "bytes_written": 0}


def test_a_last_check_that_breaks_stops_the_send_too() -> None:
    def broken() -> None:
        raise LookupError("database is gone")

    with wired() as wire, pytest.raises(Aborted, match="LookupError") as raised:
        wire.client.send_bulk([ANNA], before_first_byte=broken)
    assert isinstance(raised.value.__cause__, LookupError)


def test_tries_to_connect_end_within_ten_seconds() -> None:
    with wired(*[httpx.ConnectError("refused")] * 3) as wire:
        caught(lambda: wire.client.send_bulk([ANNA]))
        assert 0.4 <= wire.clock.elapsed_seconds() <= 10


@pytest.mark.parametrize("text", ["", "half \ud83d of a pair"])
def test_a_text_that_cannot_be_sent_is_refused_here(text: str) -> None:
    with wired() as wire:
        error = caught(lambda: wire.client.send_one(ANNA.number, text))
    assert type(error) is RequestRefused
