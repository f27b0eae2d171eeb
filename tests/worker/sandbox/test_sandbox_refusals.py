"""Wrong requests are refused as live servers refuse them, and never end the sandbox."""

import asyncio
import json
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.clock import SystemClock
from tests.worker.sandbox.conftest import StartSandbox
from tests.worker.sandbox.php_client import PhpClient, RefusedError, http, php_form, php_json
from worker.sandbox.app import SandboxApp
from worker.sandbox.exchange import PATHS
from worker.sandbox.forms import percent_decoded
from worker.sandbox.running.options import Profile, SandboxOptions

ONE = [("+447700900123", "Hello")]


def call(app: SandboxApp, path: str, body: bytes, method: str = "POST") -> tuple[int, bytes]:
    """Make one request to the application itself, without a server in between."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    asyncio.run(app({"type": "http", "method": method, "path": path}, receive, send))
    return sent[0]["status"], b"".join(event["body"] for event in sent[1:])


@pytest.mark.parametrize(
    ("devices", "text"),
    [
        ([3], "This device doesn't exist"),
        (["2|2"], "There is no SIM card present on slot index 2"),
        (["one"], "Invalid request format"),
        (["1|"], "Invalid request format"),
        ([[1]], "Invalid request format"),
        ([1.5], "Invalid request format"),
    ],
)
def test_devices_that_do_not_exist_are_refused(gateway: PhpClient, devices: list[Any], text: str) -> None:
    with pytest.raises(RefusedError, match=f"500: {text}"):
        gateway.send_bulk(ONE, devices=devices)


@pytest.mark.parametrize("devices", ["", "0", "[]", "[0]", '"0"', "1", "[1]", '["1"]'])
def test_no_device_means_the_primary_one(gateway: PhpClient, devices: str) -> None:
    # when
    (row,) = gateway.messages("send", {"number": "+447700900123", "message": "Hello", "devices": devices})
    # then
    assert int(row["deviceID"]) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": "[]"},
        {"messages": "{}"},
        {"messages": "no JSON"},
        {"messages": "[" * 100_000},
        {"messages": php_json(["+447700900123"])},
        {"messages": php_json([{"number": "+447700900123", "message": ""}])},
        {"messages": php_json([{"number": "", "message": "Hello"}])},
        {"messages": php_json([{"number": "+447700900123"}])},
        {"number": "+447700900123", "message": "Hello", "devices": "[1"},
        {"number": "+447700900123", "message": "Hello", "schedule": "tomorrow"},
        {"number": "+447700900123", "message": "Hello", "schedule": "9" * 18},
        {"number": "+447700900123", "message": "Hello", "option": "3"},
        {"number": "+447700900123", "message": "Hello", "option": "-1"},
        {"listID": "first", "message": "Hello"},
    ],
)
def test_what_cannot_be_understood_is_an_invalid_request(gateway: PhpClient, fields: dict[str, str]) -> None:
    with pytest.raises(RefusedError, match="500: Invalid request format"):
        gateway.post("send", fields)


def test_a_list_without_subscribers_takes_no_text(gateway: PhpClient) -> None:
    # given
    for row in gateway.send_to_list(2, "News"):
        gateway.contact(listID=2, number=row["number"], unsubscribe=True)
    # when / then
    with pytest.raises(RefusedError, match="no subscribed contacts"):
        gateway.send_to_list(2, "News")


@pytest.mark.parametrize("script", ["send", "read-messages", "manage-contacts"])
@pytest.mark.parametrize("key", ["", "wrong", "schlüssel"])
def test_a_wrong_key_is_refused(gateway: PhpClient, script: str, key: str) -> None:
    with pytest.raises(RefusedError, match="401: This API key is invalid"):
        PhpClient(gateway.url, key).post(script, {"id": 1})


def test_what_costs_more_than_the_credits_is_refused_whole(start_sandbox: StartSandbox) -> None:
    # given
    sandbox = start_sandbox(SandboxOptions(credits=5))
    gateway = PhpClient(sandbox.url, sandbox.key)
    gateway.send_bulk(ONE * 3)
    # when
    with pytest.raises(RefusedError, match="500: You have insufficient credits"):
        gateway.send_bulk(ONE * 3)
    # then
    assert gateway.balance() == 2
    assert len(gateway.read()) == 3


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/services/other.php", b"key=k", 404),
        ("/nothing", None, 404),
        ("/services/send.php", None, 405),
        ("/sandbox/inbound", None, 405),
        ("/services/send.php", b"x" * (8 * 1024 * 1024 + 1), 413),
    ],
)
def test_other_addresses_methods_and_sizes_have_their_http_status(
    gateway: PhpClient, path: str, body: bytes | None, status: int
) -> None:
    assert http(gateway.url + path, body)[0] == status


def test_replies_claim_the_type_of_their_profile(gateway: PhpClient, profile: Profile) -> None:
    # when
    _, content_type, _ = http(gateway.url + "/services/send.php", php_form({"key": gateway.key}))
    # then
    assert content_type.startswith("text/html" if profile is Profile.STRINGS else "application/json")


form_values = st.one_of(
    st.binary(max_size=30).map(lambda value: quote(value).encode()),
    st.sampled_from([b"1", b"0", b"", b"[1]", b"2|1", b"999999999999999999", b"%00", b"%ff%fe", b"%5B%7B%7D%5D", b"%"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["number", "message"]), inner, max_size=2)
        ),
        max_leaves=6,
    ).map(lambda value: quote(json.dumps(value)).encode()),
)
send_names = st.sampled_from(
    ["messages", "number", "message", "listID", "devices", "option", "useRandomDevice", "schedule"]
)
other_names = st.sampled_from(
    ["id", "groupId", "status", "startTimestamp", "endTimestamp", "deviceID", "simSlot", "unsubscribe", "resubscribe"]
)
forms = st.dictionaries(send_names | other_names, form_values, max_size=6).map(
    lambda fields: b"&".join([*(name.encode() + b"=" + value for name, value in fields.items()), b"key=k"])
)


@given(path=st.sampled_from([*PATHS, "/sandbox/inbound"]), body=forms | st.binary(max_size=200))
def test_any_bytes_get_a_reply_in_the_api_s_form(path: str, body: bytes) -> None:
    # given
    app = SandboxApp(SandboxOptions(key="k"), clock=SystemClock())
    # when
    status, reply = call(app, path, body)
    # then
    assert status == 200
    assert set(json.loads(reply)) == {"success", "data", "error"}
    assert call(app, "/sandbox/ledger", b"", "GET")[0] == 200


pieces = st.sampled_from(
    [b"%", b"=", b"%3D", b"%3d", b"%0A", b"%25", b"\n", b"\r", b" ", b"_", b"\t", b"\xff", b"A", b"9"]
)


@given(st.lists(pieces).map(b"".join) | st.binary())
def test_percent_decoding_is_that_of_the_standard_library(value: bytes) -> None:
    assert percent_decoded(value) == unquote_to_bytes(value)
