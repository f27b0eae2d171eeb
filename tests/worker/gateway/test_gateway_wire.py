"""What the gateway writes, in every form seen so far, and in forms that nobody has seen."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.protocol.matching import same_number
from tests.worker.gateway.gateway_cases import ANNA, row
from worker.gateway.reading import reply_of
from worker.gateway.results import Message
from worker.gateway.statuses import WORD_TO_ASK_FOR, MessageStatus, status_of
from worker.gateway.wire import (
    clean_text,
    moment,
    parse_json,
    parse_messages,
    whole_number,
)


def message_of(**fields: object) -> Message:
    messages = parse_messages([row(**fields)])
    assert messages is not None
    return messages[0]


def test_a_message_as_documented() -> None:
    assert message_of() == Message(
        id=7,
        number=ANNA.number,
        text="Hi",
        device=1,
        sim=0,
        status=MessageStatus.PENDING,
        raw_status="Pending",
        sent_at=datetime(2018, 10, 19, 22, tzinfo=UTC),
        delivered_at=None,
        group_id=")V5LxqyBMEbQrl9*J$5bb4c03e8a07b7.62193871",
        result_code=None,
        error_code=None,
        retries=0,
    )


def test_a_message_as_newer_servers_write_it() -> None:
    message = message_of(
        id=7,
        deviceID=2,
        simSlot=None,
        groupID=None,
        resultCode="-1",
        errorCode=0,
        retries="2",
        expiryDate="x",
        type="sms",
    )
    assert (message.device, message.sim, message.group_id) == (2, None, None)
    assert (message.result_code, message.error_code, message.retries) == (-1, 0, 2)


def test_no_repr_shows_a_number_or_a_text() -> None:
    shown = repr(message_of(message="privately"))
    assert ANNA.number not in shown
    assert "privately" not in shown


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2018-10-20T00:00:00+02:00", datetime(2018, 10, 19, 22, tzinfo=UTC)),
        ("2018-10-20T06:00:00+0600", datetime(2018, 10, 20, tzinfo=UTC)),
        ("2018-10-20T00:00:00Z", datetime(2018, 10, 20, tzinfo=UTC)),
        (1540000000, datetime(2018, 10, 20, 1, 46, 40, tzinfo=UTC)),
        ("1540000000", datetime(2018, 10, 20, 1, 46, 40, tzinfo=UTC)),
        ("2018-10-20T00:00:00", None),
        ("2018-10-20 00:00:00", None),
        ("0000-00-00 00:00:00", None),
        ("0001-01-01T00:00:00+02:00", None),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59Z", None),
        (253402300799, None),
        ("99999999999999", None),
        (0, None),
        ("", None),
        (None, None),
        (True, None),
        ([], None),
        ("yesterday", None),
    ],
)
def test_dates(written: object, expected: datetime | None) -> None:
    assert moment(written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (7, 7),
        ("7", 7),
        ("-1", -1),
        (2**63 - 1, 2**63 - 1),
        (2**63, None),
        ("9" * 5000, None),
        ("٧", None),
        (" 7", None),
        (7.0, None),
        (True, None),
        (None, None),
        ({}, None),
    ],
)
def test_whole_numbers(written: object, expected: int | None) -> None:
    assert whole_number(written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Grüße 😀", "Grüße 😀"),
        ("half \ud83d of a pair", "half \ufffd of a pair"),
        ("\ud83d\ude00", "😀"),
        ("nul\0", "nul\ufffd"),
        (393331234567, "393331234567"),
        (True, ""),
        (None, ""),
        ([], ""),
    ],
)
def test_texts_fit_every_database(written: object, expected: str) -> None:
    assert clean_text(written) == expected


@pytest.mark.parametrize("spelling", ["+393331234567", "393331234567", "00393331234567", "+39 333 123-4567"])
def test_one_number_has_several_spellings(spelling: str) -> None:
    assert same_number(spelling) == "393331234567"


def test_names_of_senders_are_told_apart() -> None:
    assert same_number("ACME") == same_number("Acme") != same_number("Other")


@given(st.text())
def test_clean_text_is_always_storable(text: str) -> None:
    clean = clean_text(text)
    assert "\0" not in clean
    clean.encode()
    assert clean_text(clean) == clean


@given(st.binary())
def test_no_bytes_break_the_parser(body: bytes) -> None:
    reply_of(body)
    parse_messages(parse_json(body))


def test_a_byte_order_mark_is_no_reason_to_be_unreadable() -> None:
    assert reply_of(b'\xef\xbb\xbf{"success": true}').envelope is not None


@pytest.mark.parametrize("body", [b"NaN", b'{"success": true, "data": Infinity}', b"[" * 10**6, b"1" * 10**4, b"\xff"])
def test_what_is_no_json(body: bytes) -> None:
    assert parse_json(body) is None


@pytest.mark.parametrize("rows", [None, {}, "x", [None], [{}], [row(id=None)], [row(id=-1)], [row(), 5]])
def test_rows_are_all_readable_or_none_is(rows: object) -> None:
    assert parse_messages(rows) is None


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Pending", MessageStatus.PENDING),
        ("SCHEDULED", MessageStatus.SCHEDULED),
        ("queued", MessageStatus.QUEUED),
        (" Sent ", MessageStatus.SENT),
        ("Delivered", MessageStatus.DELIVERED),
        ("Failed", MessageStatus.FAILED),
        ("Canceled", MessageStatus.CANCELLED),
        ("Cancelled", MessageStatus.CANCELLED),
        ("Received", MessageStatus.RECEIVED),
        ("Livré", MessageStatus.UNKNOWN),
        ("", MessageStatus.UNKNOWN),
    ],
)
def test_statuses(word: str, expected: MessageStatus) -> None:
    message = message_of(status=word)
    assert message.status is expected
    assert message.raw_status == word


def test_every_status_but_unknown_can_be_asked_for() -> None:
    assert set(WORD_TO_ASK_FOR) == set(MessageStatus) - {MessageStatus.UNKNOWN}
    assert all(status_of(word) is status for status, word in WORD_TO_ASK_FOR.items())
