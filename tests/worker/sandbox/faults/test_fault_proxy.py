"""Faults below HTTP, made by the proxy: what a client's socket sees, and what the ledger holds."""

import json
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.worker.sandbox.faults.faulty_gateway import (
    KEY,
    LOST,
    NUMBERS,
    Aftermath,
    FaultyGateway,
    connect,
    request_bytes,
    rows,
)
from tests.worker.sandbox.php_client import until
from worker.sandbox.faults.table import TCP_FAULTS
from worker.sandbox.running.options import SandboxOptions


@pytest.fixture(scope="module")
def gateway() -> Iterator[FaultyGateway]:
    with FaultyGateway.start(SandboxOptions(key=KEY, proxy=True, pace_per_second=1_000.0)) as started:
        yield started


def answer(gateway: FaultyGateway, request: bytes) -> bytes | None:
    """All bytes that arrive until the end; None if that end is a reset."""
    received = b""
    try:  # a reset may come as early as the connection itself
        with connect(gateway) as connection:
            connection.sendall(request)
            while part := connection.recv(65_536):
                received += part
    except ConnectionError:
        return None
    return received


def test_every_fault_below_http_has_its_test_here() -> None:
    tests = " ".join(name for name in globals() if name.startswith("test_"))
    assert [name for name in TCP_FAULTS if name not in tests] == []


def test_without_faults_every_byte_passes(gateway: FaultyGateway, since: Aftermath) -> None:
    # when
    sent = rows(gateway.send())
    many = rows(gateway.send([f"+44770090{n:05d}" for n in range(5_000)], timeout=30.0))
    # then
    stored = since.stored()
    assert [int(row["ID"]) for row in sent + many] == [message["ID"] for message in stored]
    assert len({message["request"] for message in stored}) == 2
    assert since.drawn() == []
    assert gateway.post("send").json() == {"success": True, "data": {"credits": None}, "error": None}
    assert gateway.client.get("/nothing").status_code == 404


def test_several_requests_of_one_connection_are_drawn_for_one_by_one(gateway: FaultyGateway, since: Aftermath) -> None:
    # given
    rule = {"requests": ["send"], "rate": 1, "faults": {"request_cut": 1}, "from_request": 3}
    gateway.put({"rules": [rule]}).raise_for_status()
    form = {"number": NUMBERS[0], "message": "Hi", "key": KEY}
    # when
    with httpx.Client(base_url=gateway.sandbox.url) as client:
        replies = [client.post("/services/send.php", data=form).json()["success"] for _ in range(2)]
        with pytest.raises(LOST):
            client.post("/services/send.php", data=form)
    # then
    assert replies == [True, True]
    assert len(since.stored()) == 2


def test_http_faults_pass_through_the_proxy_and_are_drawn_once(gateway: FaultyGateway, since: Aftermath) -> None:
    # given
    gateway.switch("server_error_after", "drop_after", "reset_after_request", "request_cut")
    # when
    for _ in range(12):
        try:
            assert gateway.send().status_code >= 500
        except LOST:
            continue
    # then
    assert until(lambda: len(since.drawn()) == 12)
    drawn = since.drawn()
    assert sorted(line["nth"] for line in drawn) == list(range(1, 13))
    assert {line["fault"] for line in drawn} >= {"request_cut", "server_error_after"}
    for line in drawn:
        assert len(line["stored"]) == (0 if line["fault"] == "request_cut" else len(NUMBERS))


def test_request_cut_after_any_byte_stores_nothing(gateway: FaultyGateway, since: Aftermath) -> None:
    # given
    request = request_bytes()
    # when
    for byte in range(0, len(request), 7):
        gateway.switch("request_cut", times={"cut_byte": byte})
        assert answer(gateway, request) is None
    # then: everything except the last byte holds a wrong key
    gateway.switch("request_cut", times={"cut_byte": -1})
    assert answer(gateway, request) is None
    assert until(lambda: len(since.drawn()) == len(range(0, len(request), 7)) + 1)
    assert since.stored() == []


def test_request_cut_in_a_long_body_reaches_a_client_that_is_still_writing(
    gateway: FaultyGateway, since: Aftermath
) -> None:
    # given
    gateway.switch("request_cut", times={"cut_byte": 100_000})
    # when
    with pytest.raises(LOST):
        gateway.send([f"+44770090{n:05d}" for n in range(60_000)])
    # then
    assert until(since.drawn)
    assert since.stored() == []


@pytest.mark.parametrize("seed", range(8))
def test_request_cut_in_key_leaves_a_key_that_is_too_short(gateway: FaultyGateway, since: Aftermath, seed: int) -> None:
    # given
    gateway.switch("request_cut_in_key", seed=seed)
    # when
    assert answer(gateway, request_bytes()) is None
    # then: the sandbox mistook the rest for a request
    (drawn,) = until(since.drawn)
    assert (drawn["fault"], drawn["stored"]) == ("request_cut_in_key", [])


def test_a_cut_that_leaves_a_whole_key_is_stored_and_on_record(gateway: FaultyGateway, since: Aftermath) -> None:
    # given: a client that does not send its key last
    body = f"key={KEY}&number={NUMBERS[0][1:]}&message=Hello".encode()
    gateway.switch("request_cut", times={"cut_byte": -2})
    # when
    answer(gateway, b"POST /services/send.php HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    # then
    (message,) = until(since.stored)
    (drawn,) = until(since.drawn)
    assert message["message"] == "Hel"
    assert drawn["stored"] == [message["ID"]]
    assert drawn["request"] == message["request"]


def test_reset_after_request_delivers_it_whole(gateway: FaultyGateway, since: Aftermath) -> None:
    # given
    gateway.switch("reset_after_request")
    # when
    reply = answer(gateway, request_bytes())
    # then
    assert reply is None
    (message,) = since.stored()
    assert since.drawn()[0]["stored"] == [message["ID"]]


@pytest.mark.parametrize("byte", [0, 1, 20, 150, -1])
def test_reply_cut_with_its_length_known_is_an_error_for_the_client(
    gateway: FaultyGateway, since: Aftermath, byte: int
) -> None:
    # given
    gateway.switch("reply_cut", times={"cut_byte": byte})
    # when
    with pytest.raises(httpx.RemoteProtocolError):
        gateway.send()
    # then
    assert len(since.stored()) == len(NUMBERS)


@pytest.mark.parametrize("byte", [0, 30, -1])
def test_reply_cut_unmarked_looks_like_a_whole_reply(gateway: FaultyGateway, since: Aftermath, byte: int) -> None:
    # given
    gateway.switch("reply_cut_unmarked", times={"cut_byte": byte})
    # when
    reply = gateway.send()
    # then: not an HTTP error, but not JSON either
    assert reply.status_code == 200
    assert "content-length" not in reply.headers
    with pytest.raises(json.JSONDecodeError):
        reply.json()
    assert len(since.stored()) == len(NUMBERS)


def test_reply_drip_never_trips_a_timeout_between_bytes(gateway: FaultyGateway, since: Aftermath) -> None:
    # given
    gateway.switch("reply_drip", times={"drip_seconds": 0.05, "hold_seconds": 1.2})
    # when
    started = time.monotonic()
    with pytest.raises(httpx.RemoteProtocolError):
        gateway.send(timeout=0.9)
    # then
    assert time.monotonic() - started > 1.0
    assert len(since.stored()) == len(NUMBERS)


def test_black_hole_takes_everything_and_says_nothing(gateway: FaultyGateway, since: Aftermath) -> None:
    # given
    gateway.switch("black_hole")
    # when
    with pytest.raises(httpx.ReadTimeout):
        gateway.send(timeout=0.3)
    # then
    assert until(since.drawn)[0]["fault"] == "black_hole"
    assert since.stored() == []


def test_never_read_lets_a_long_request_get_stuck(gateway: FaultyGateway, since: Aftermath) -> None:
    # given
    rule = {"requests": ["connect"], "rate": 1, "faults": {"never_read": 1}, "until_request": 2}
    gateway.put({"rules": [rule]}).raise_for_status()
    # when
    with pytest.raises(httpx.ReadTimeout):
        gateway.send(timeout=0.3)
    with connect(gateway) as connection:
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.sendall(bytes(20_000_000))
    # then
    assert since.stored() == []
    assert [line["fault"] for line in since.drawn()] == ["never_read"] * 2


def test_accept_reset_ends_the_connection_before_its_first_byte(gateway: FaultyGateway, since: Aftermath) -> None:
    # given
    rule = {"requests": ["connect"], "rate": 1, "faults": {"accept_reset": 1}, "until_request": 1}
    gateway.put({"rules": [rule]}).raise_for_status()
    # when
    reply = answer(gateway, request_bytes())
    # then
    assert reply is None
    assert since.stored() == []
    (drawn,) = since.drawn()
    assert (drawn["fault"], drawn["kind"], drawn["request"]) == ("accept_reset", "connect", None)


def test_refuse_closes_the_port_for_a_while(gateway: FaultyGateway, since: Aftermath) -> None:
    # given
    rule = {"requests": ["connect"], "rate": 1, "faults": {"refuse": 1}, "until_request": 1}
    gateway.put({"rules": [rule], "times": {"closed_seconds": 2.0}}).raise_for_status()
    # when: the connection that drew it is served
    assert gateway.send().json()["success"]
    with pytest.raises(httpx.ConnectError):
        gateway.send()
    # then

    def is_open() -> bool:
        try:
            return bool(gateway.send().json()["success"])
        except httpx.ConnectError:
            return False

    assert until(is_open)
    assert len(since.stored()) == 2 * len(NUMBERS)
