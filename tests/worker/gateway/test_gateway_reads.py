"""Balance, reads and contacts: harmless to repeat, and therefore repeated."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.support.scraping import counted, counting
from tests.worker.gateway.gateway_cases import ANNA, KEY, Answer, caught, failure, row, success, wired
from worker.gateway import (
    AccountRefused,
    Balance,
    ConnectFailed,
    Contact,
    FailureUnknown,
    GatewayClient,
    GatewayError,
    MessageStatus,
    ReplyImplausible,
    ReplyLost,
    ReplyUnreadable,
    ServerFailed,
    Throttled,
)

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("credits_left", "expected"), [(None, None), (0, 0), (12, 12), ("12", 12), (12.9, 12), (-3, -3)]
)
def test_balance(credits_left: object, expected: int | None) -> None:
    with wired(success(credits=credits_left)) as wire:
        assert wire.client.balance() == Balance(expected)
    assert wire.requests == [{"key": KEY}]


@pytest.mark.parametrize(
    "answer",
    [success(), success(credits="many"), success(credits=True), httpx.Response(200, text='{"success":true,"data":5}')],
)
def test_a_balance_without_credits_is_not_unlimited(answer: httpx.Response) -> None:
    with wired(answer) as wire:
        assert type(caught(wire.client.balance)) is ReplyImplausible


def test_infinite_credits_are_no_number() -> None:
    with wired(httpx.Response(200, text='{"success":true,"data":{"credits":1e999}}')) as wire:
        assert type(caught(wire.client.balance)) is ReplyImplausible


@pytest.mark.parametrize("answer", [success(messages=[]), failure(404, "Not found"), failure("404", "Nothing")])
def test_nothing_found_has_two_forms(answer: httpx.Response) -> None:
    with wired(answer) as wire:
        assert wire.client.read_group("g&+=") == ()
    assert wire.requests == [{"groupId": "g&+=", "key": KEY}]
    assert wire.paths == ["/gate/services/read-messages.php"]


@pytest.mark.parametrize(
    ("call", "ask", "answer", "outcome"),
    [
        ("read", lambda client: client.read_group("g"), failure(404, "Not found"), "ok"),
        ("read", lambda client: client.read_message(7), failure("404", "Nothing"), "ok"),
        ("read", lambda client: client.read_status(MessageStatus.SENT, NOON, NOON), failure(404, "None"), "ok"),
        ("read", lambda client: client.read_group("g"), failure(500, "Out of memory"), "unknown"),
        ("read", lambda client: client.read_group("g"), httpx.Response(404), "account"),
        ("contacts", lambda client: client.add_contact(12, ANNA.number), failure(500, "already there"), "ok"),
        (
            "contacts",
            lambda client: client.unsubscribe_contact(12, ANNA.number),
            failure(404, "Contact not found"),
            "ok",
        ),
        ("contacts", lambda client: client.add_contact(12, ANNA.number), failure(500, "List not found"), "unknown"),
        ("balance", lambda client: client.balance(), success(credits=None), "ok"),
        ("balance", lambda client: client.balance(), failure(404, "Not found"), "unknown"),
    ],
)
def test_a_read_that_finds_nothing_is_counted_as_answered(
    call: str, ask: Callable[[GatewayClient], object], answer: httpx.Response, outcome: str
) -> None:
    with counting():
        with wired(answer) as wire, suppress(GatewayError):
            ask(wire.client)
        assert counted().labels("gateway_request_duration_seconds_count", "outcome") == {outcome}
        assert counted().total("gateway_request_duration_seconds_count", call=call, outcome=outcome) == 1


def test_an_http_404_does_not_mean_that_nothing_was_found() -> None:
    with wired(httpx.Response(404)) as wire:
        assert type(caught(lambda: wire.client.read_group("g"))) is AccountRefused


@pytest.mark.parametrize(
    "answer",
    [success(), success(messages=None), success(messages=[row(), {"number": "+39"}]), success(messages="none")],
)
def test_a_read_that_shows_less_than_there_is_fails(answer: httpx.Response) -> None:
    with wired(answer) as wire:
        assert type(caught(lambda: wire.client.read_group("g"))) is ReplyImplausible


def test_a_message_is_picked_by_its_id_among_more() -> None:
    with wired(success(messages=[row(id=6), row(id="7", status="Sent")])) as wire:
        message = wire.client.read_message(7)
    assert message is not None
    assert message.status is MessageStatus.SENT
    assert wire.requests == [{"id": "7", "key": KEY}]


def test_a_message_that_is_not_there() -> None:
    with wired(success(messages=[row(id=6)])) as wire:
        assert wire.client.read_message(7) is None


def test_a_read_by_status_covers_the_seconds_that_it_touches() -> None:
    with wired(success(messages=[row(), row(id=8)])) as wire:
        end = NOON + timedelta(minutes=1, microseconds=1)
        found = wire.client.read_status(MessageStatus.CANCELLED, NOON + timedelta(milliseconds=900), end)
    assert [message.id for message in found] == [7, 8]
    noon = int(NOON.timestamp())
    assert wire.requests == [
        {"status": "Canceled", "startTimestamp": str(noon), "endTimestamp": str(noon + 61), "key": KEY}
    ]


@pytest.mark.parametrize(
    ("troubles", "error"),
    [
        ([httpx.ConnectError("refused")], ConnectFailed),
        ([httpx.ReadTimeout("slow")], ReplyLost),
        ([httpx.Response(502)], ServerFailed),
        ([httpx.Response(200)], ReplyUnreadable),
        ([httpx.Response(429)], Throttled),
    ],
)
def test_a_passing_trouble_is_tried_again_up_to_five_times(
    troubles: Sequence[Answer], error: type[GatewayError]
) -> None:
    with wired(*list(troubles) * 4, success(credits=1)) as wire:
        assert wire.client.balance() == Balance(1)
        assert wire.clock.elapsed_seconds() <= 20
    with wired(*list(troubles) * 5) as wire:
        assert type(caught(wire.client.balance)) is error


@pytest.mark.parametrize(
    ("answer", "error"), [(failure(401, "This API key"), AccountRefused), (failure(500, "Oops"), FailureUnknown)]
)
def test_a_lasting_trouble_is_not_tried_again(answer: httpx.Response, error: type[GatewayError]) -> None:
    with wired(answer) as wire:
        assert type(caught(wire.client.balance)) is error


def test_retry_after_is_obeyed() -> None:
    with wired(httpx.Response(429, headers={"Retry-After": "20"}), success(credits=1)) as wire:
        wire.client.balance()
        assert wire.clock.elapsed_seconds() == pytest.approx(20)


def test_a_wait_beyond_thirty_seconds_is_the_callers_to_spend() -> None:
    with wired(httpx.Response(429, headers={"Retry-After": "31"})) as wire:
        error = caught(wire.client.balance)
        assert wire.clock.elapsed_seconds() == 0
    assert error.retry_after == timedelta(seconds=31)


def test_a_contact_is_added() -> None:
    with wired(success(contact={"ID": "5", "number": "393331234567", "name": "Anna", "new": 1})) as wire:
        contact = wire.client.add_contact(12, ANNA.number, "Anna", resubscribe=True)
    assert contact == Contact(12, "393331234567", "Anna", subscribed=True, id=5)
    assert wire.paths == ["/gate/services/manage-contacts.php"]
    assert wire.requests == [
        {"listID": "12", "number": ANNA.number, "name": "Anna", "resubscribe": "1", "key": KEY},
    ]
    assert ANNA.number not in repr(contact)


@pytest.mark.parametrize("text", ["This number already exists in the list", "Contact is already subscribed"])
def test_a_contact_that_is_there_already_is_done(text: str) -> None:
    with wired(failure(500, text)) as wire:
        assert wire.client.add_contact(12, ANNA.number) == Contact(12, ANNA.number, None, subscribed=True, id=None)
    assert wire.requests == [{"listID": "12", "number": ANNA.number, "key": KEY}]


@pytest.mark.parametrize("text", ["Contact not found", "This contact doesn't exist", "Number already unsubscribed"])
def test_a_contact_that_is_gone_already_is_done(text: str) -> None:
    with wired(failure(500, text)) as wire:
        contact = wire.client.unsubscribe_contact(12, ANNA.number)
    assert not contact.subscribed
    assert wire.requests == [{"listID": "12", "number": ANNA.number, "unsubscribe": "1", "key": KEY}]


@pytest.mark.parametrize("text", ["Contacts list doesn't exist", "This list does not exist", "Oops"])
def test_a_list_that_does_not_exist_is_an_error(text: str) -> None:
    with wired(failure(500, text)) as wire:
        assert type(caught(lambda: wire.client.unsubscribe_contact(12, ANNA.number))) is FailureUnknown


def test_a_contact_is_not_done_because_the_key_is_bad() -> None:
    with wired(failure(401, "already revoked")) as wire:
        assert type(caught(lambda: wire.client.add_contact(12, ANNA.number))) is AccountRefused
