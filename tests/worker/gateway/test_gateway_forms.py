"""What we write: every form can be read back, and ends with the key."""

import json
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from worker.gateway import OutgoingMessage, RequestRefused
from worker.gateway.forms import Form, bulk_rows, target_list, unix_seconds

SECRET = SecretStr("k&=é")


@given(st.dictionaries(st.sampled_from(["number", "message", "name"]), st.text()))
def test_a_form_is_what_the_standard_library_writes(fields: dict[str, str]) -> None:
    written = Form({**fields, "left_out": None}, SECRET).content()
    assert written.decode("ascii") == urlencode({**fields, "key": SECRET.get_secret_value()})


@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), min_size=1, max_size=5))
def test_a_batch_comes_out_as_it_went_in(pairs: list[tuple[str, str]]) -> None:
    form = Form({"messages": bulk_rows([OutgoingMessage(number, text) for number, text in pairs])}, SECRET)
    read = parse_qs(form.content().decode("ascii"), strict_parsing=True)
    assert json.loads(read["messages"][0]) == [{"number": number, "message": text} for number, text in pairs]


def test_booleans_are_what_php_takes_for_them() -> None:
    assert Form({"yes": True, "no": False, "number": 2}, SECRET).content().startswith(b"yes=1&no=0&number=2&key=")


def test_a_form_shows_nothing() -> None:
    assert repr(Form({"message": "private"}, SECRET)) == "<form>"


def test_an_outgoing_message_shows_nothing() -> None:
    assert repr(OutgoingMessage("+393331234567", "private")) == "OutgoingMessage()"


@pytest.mark.parametrize(
    ("targets", "expected"), [((), None), (("1",), "[1]"), (("1", "2|0"), '[1,"2|0"]'), (["0"], "[0]")]
)
def test_targets(targets: tuple[str, ...], expected: str | None) -> None:
    assert target_list(targets) == expected


@pytest.mark.parametrize("target", ["", "a", "1|", "|0", "1|0|1", "-1", "1 ", "١"])
def test_a_target_that_is_none(target: str) -> None:
    with pytest.raises(ValueError, match="is not a device"):
        target_list([target])


@pytest.mark.parametrize(("number", "text", "missing"), [("", "Hi", "number"), ("+39333", "", "text")])
def test_a_row_without_number_or_text_is_not_sent(number: str, text: str, missing: str) -> None:
    with pytest.raises(RequestRefused, match=f"Message 2 of the request has no {missing}"):
        bulk_rows([OutgoingMessage("+39333", "Hi"), OutgoingMessage(number, text)])


def test_a_batch_of_nobody_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one message"):
        bulk_rows([])


def test_times_are_unix_seconds_and_need_a_zone() -> None:
    assert unix_seconds(None) is None
    assert unix_seconds(datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=1)))) == 3600
    with pytest.raises(ValueError, match="zone"):
        unix_seconds(datetime(1970, 1, 1))  # noqa: DTZ001  a naive time is what is refused
