"""The webhook's signature, its messages, and the Retry-After header."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.worker.gateway.gateway_cases import row
from worker.gateway import MessageStatus
from worker.gateway.evidence import retry_after
from worker.gateway.webhook import received_messages, signature, verify

OLD, NEW = SecretStr("old"), SecretStr("new")
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)


def test_a_signature_as_another_implementation_computes_it() -> None:
    # printf '[{"ID":1}]' | openssl dgst -sha256 -hmac key -binary | base64
    assert signature('[{"ID":1}]', SecretStr("key")) == "9WFLAa1bNEHg1+H93PNAKOqXduldQbX53SqNC1jedRQ="


@given(st.binary(), st.sampled_from([OLD, NEW]))
def test_any_of_the_keys_will_do(field: bytes, signer: SecretStr) -> None:
    assert verify(field, signature(field, signer), [OLD, NEW])


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_is_signed_as_its_bytes(field: str) -> None:
    assert signature(field, OLD) == signature(field.encode(), OLD)


@pytest.mark.parametrize(
    "header", ["", "x", "é", "\ud83d", signature(b"other", OLD), signature(b"field", SecretStr("3"))]
)
def test_a_wrong_signature(header: str) -> None:
    assert not verify(b"field", header, [OLD, NEW])
    assert not verify(b"field", signature(b"field", OLD), [])


@pytest.mark.parametrize("key", ["", " ", "\0\0\0\0", "key\0", "\u200b", "\ufeff", "\u3164"])
def test_s1_a_key_that_everybody_knows_signs_nothing(key: str) -> None:
    assert not verify(b"field", signature(b"field", SecretStr(key)), [SecretStr(key), NEW])
    assert verify(b"field", signature(b"field", NEW), [SecretStr(key), NEW])


def test_messages_that_came_in() -> None:

    messages = received_messages(json.dumps([row(status="Received")]))
    assert messages is not None
    assert [message.status for message in messages] == [MessageStatus.RECEIVED]
    assert received_messages(b"\xff") is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("0", 1),
        (" 30 ", 30),
        ("999999", 3600),
        ("9" * 5000, 3600),
        ("Tue, 01 Dec 2026 09:02:00 GMT", 120),
        ("Tue, 01 Dec 2026 08:00:00 GMT", 1),
        ("Tue, 01 Dec 2027 08:00:00 -0000", 3600),
        ("Tue, 99 Dec 2026 08:00:00 GMT", None),
    ],
)
def test_retry_after(header: str | None, seconds: int | None) -> None:
    assert retry_after(header, NOW) == (None if seconds is None else timedelta(seconds=seconds))


@given(st.text())
def test_no_header_breaks_retry_after(header: str) -> None:
    wait = retry_after(header, NOW)
    assert wait is None or timedelta(seconds=1) <= wait <= timedelta(hours=1)
