"""The client on real sockets: what left, how far it got, and how it is interpreted."""

import gzip
import json
import threading
from contextlib import suppress
from datetime import timedelta

import pytest
from pydantic import SecretStr

from campaigns.clock import SystemClock
from tests.support.clocks import FakeClock
from tests.support.tcp_server import Connection, Script, TcpServer, unused_port
from tests.worker.gateway.gateway_cases import ANNA, KEY, caught, row
from worker.gateway import (
    Aborted,
    AccountRefused,
    Balance,
    ConnectFailed,
    GatewayClient,
    ReplyLost,
    ReplyUnreadable,
    SendOutcome,
    SendReply,
    Timeouts,
    TooBig,
)
from worker.gateway.connection import Exchange, Phase

ACCEPTED = json.dumps({"success": True, "data": {"messages": [row()]}, "error": None}).encode()
WITH_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(ACCEPTED) + ACCEPTED
TO_THE_END = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + ACCEPTED
SHORT = Timeouts(total=timedelta(milliseconds=300))


def client_of(url: str, timeouts: Timeouts | None = None) -> GatewayClient:
    return GatewayClient(url, SecretStr(KEY), clock=SystemClock(), timeouts=timeouts)


def answers(reply: bytes) -> Script:
    """Read the whole request, write these bytes, close."""

    def script(connection: Connection) -> None:
        connection.read_request()
        connection.write(reply)

    return script


def send(url: str, timeouts: Timeouts | None = None) -> SendReply:
    with client_of(url, timeouts) as client:
        return client.send_bulk([ANNA])


@pytest.mark.parametrize("reply", [WITH_LENGTH, TO_THE_END], ids=["with a length", "until the end"])
def test_a_send_over_a_socket(reply: bytes) -> None:
    with TcpServer(answers(reply)) as server:
        sent = send(server.url)
    assert [message.id for message in sent.messages] == [7]
    head, _, body = server.received[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /services/send.php HTTP/1.1\r\n")
    assert body.rpartition(b"&")[2] == b"key=s3cr3t%2Bkey%26with%3Dsigns"
    assert b"s3cr3t" not in head
    for header in [b"connection: close", b"accept-encoding: identity", b"user-agent: sms-campaign-worker"]:
        assert header in head.lower()


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"%x;a=b\r\n%b\r\n" % (len(ACCEPTED), ACCEPTED)
IN_CHUNKS = HEAD + CHUNKED + CHUNK + b"0\r\nX-Trailer: Retry-After: 9\r\n\r\n"


def in_pieces(reply: bytes, size: int) -> Script:
    def script(connection: Connection) -> None:
        connection.read_request()
        for start in range(0, len(reply), size):
            connection.write(reply[start : start + size])

    return script


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    "reply",
    [
        WITH_LENGTH,
        TO_THE_END,
        IN_CHUNKS,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + WITH_LENGTH,
        WITH_LENGTH.replace(b"HTTP/1.1", b"HTTP/1.0"),
        WITH_LENGTH + b"HTTP/1.1 500 Another Reply\r\n\r\n\0",
    ],
    ids=["length", "until the end", "chunks", "after others", "1.0", "with more behind"],
)
def test_a_reply_in_any_framing_and_pieces(reply: bytes, size: int) -> None:
    with TcpServer(in_pieces(reply, size)) as server:
        assert [message.id for message in send(server.url).messages] == [7]


@pytest.mark.parametrize(
    "reply",
    [
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + ACCEPTED,
        HEAD + b"Content-Length: %d\r\n" % len(ACCEPTED) + CHUNKED + CHUNK + b"0\r\n\r\n",
        HEAD + CHUNKED + CHUNK,  # the last chunk never came
        HEAD + CHUNKED + b"zz\r\n",
        b"HTTP/2 200\r\n\r\n" + ACCEPTED,
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        HEAD + b"X-Long: " + b"x" * 200_000 + b"\r\n\r\n" + ACCEPTED,
        HEAD + b"X-Many: 1\r\n" * 20_000 + b"\r\n" + ACCEPTED,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000 + WITH_LENGTH,
        HEAD + CHUNKED + b"1" + b";x" * 100_000 + b"\r\n{\r\n",
        HEAD + CHUNKED + CHUNK + b"0\r\nX-Trailer: " + b"x" * 200_000 + b"\r\n\r\n",
    ],
    ids=range(11),
)
def test_a_reply_that_breaks_http_is_not_believed(reply: bytes) -> None:
    with TcpServer(in_pieces(reply, 16_384)) as server:
        error = caught(lambda: send(server.url))
    assert isinstance(error, ReplyLost)
    assert error.outcome is SendOutcome.UNKNOWN


def test_every_request_has_its_own_connection_and_brings_no_cookie_back() -> None:
    cookie = WITH_LENGTH.replace(b"\r\n", b"\r\nSet-Cookie: PHPSESSID=1; path=/\r\n", 1)
    with TcpServer(answers(cookie), answers(WITH_LENGTH)) as server, client_of(server.url) as client:
        client.send_bulk([ANNA])
        client.send_bulk([ANNA])
    assert len(server.received) == 2
    assert b"cookie" not in server.received[1].lower()


def test_nobody_listens() -> None:
    clock = FakeClock()
    with GatewayClient(f"http://127.0.0.1:{unused_port()}", SecretStr(KEY), clock=clock) as client:
        error = caught(lambda: client.send_bulk([ANNA]))
    assert type(error) is ConnectFailed
    assert error.evidence["bytes_written"] == 0
    assert error.evidence["phase"] == "connect"
    assert "refused" in str(error), "the reason is the first thing that somebody who sets it up needs"
    assert clock.elapsed_seconds() > 0, "tried again, on our clock"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 64 + ".invalid"])
def test_a_name_without_an_address(host: str) -> None:
    with GatewayClient(f"http://{host}", SecretStr(KEY), clock=FakeClock()) as client:
        assert type(caught(lambda: client.send_bulk([ANNA]))) is ConnectFailed


def test_a_server_that_does_not_speak_tls() -> None:
    def no_tls(connection: Connection) -> None:
        connection.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    checks: list[str] = []
    with TcpServer(*[no_tls] * 3) as server:
        url = f"https://127.0.0.1:{server.port}"
        with GatewayClient(url, SecretStr(KEY), clock=FakeClock()) as client:
            error = caught(lambda: client.send_bulk([ANNA], before_first_byte=lambda: checks.append("asked")))
    assert type(error) is ConnectFailed
    assert error.evidence["phase"] == "tls"
    assert error.evidence["bytes_written"] == 0
    assert checks == [], "a handshake is no request"


def test_an_abort_before_the_first_byte_leaves_nothing_on_the_wire() -> None:
    def stop() -> None:
        raise Aborted("The campaign was paused.")

    with TcpServer(Connection.read_to_the_end) as server, client_of(server.url) as client:
        error = caught(lambda: client.send_bulk([ANNA], before_first_byte=stop))
    assert type(error) is Aborted
    assert server.received == [b""]


def test_the_last_check_runs_once_connected_and_once_only() -> None:
    asked = threading.Event()

    def accepted_first(connection: Connection) -> None:
        assert asked.wait(5), "the check is made on a connection that stands"
        answers(WITH_LENGTH)(connection)

    checks: list[str] = []

    def check() -> None:
        checks.append("asked")
        asked.set()

    with TcpServer(accepted_first) as server, client_of(server.url) as client:
        client.send_bulk([ANNA], before_first_byte=check)
    assert len(checks) == 1


def closes_at_once(connection: Connection) -> None:
    connection.close()


def closes_after_the_request(connection: Connection) -> None:
    connection.read_request()


def resets_after_the_request(connection: Connection) -> None:
    connection.read_request()
    connection.reset()


def resets_in_the_reply(connection: Connection) -> None:
    connection.read_request()
    connection.write(WITH_LENGTH[:-20])
    connection.reset()


@pytest.mark.parametrize(
    "script",
    [
        closes_at_once,
        closes_after_the_request,
        resets_after_the_request,
        resets_in_the_reply,
        answers(WITH_LENGTH[:-1]),
        answers(b"HTTP/1.1 2"),
        answers(b"220 smtp.example.com ESMTP\r\n"),
        answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"),
    ],
)
def test_no_complete_reply(script: Script) -> None:
    with TcpServer(script) as server:
        error = caught(lambda: send(server.url))
    assert type(error) is ReplyLost
    assert error.may_have_arrived
    written = error.evidence["bytes_written"]
    assert isinstance(written, int)
    assert written > 0


def test_a_reply_that_ends_too_early_without_anybody_noticing() -> None:
    with TcpServer(answers(TO_THE_END[:-1])) as server:
        error = caught(lambda: send(server.url))
    assert type(error) is ReplyUnreadable
    assert error.evidence["phase"] == "done"


def test_a_reply_compressed_against_our_wish_is_not_unpacked() -> None:
    reply = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(ACCEPTED)
    with TcpServer(answers(reply)) as server:
        assert type(caught(lambda: send(server.url))) is ReplyUnreadable


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["head", "body"])
def test_a_dripping_reply_ends_at_the_deadline(start: bytes) -> None:
    def dripping(connection: Connection) -> None:
        connection.read_request()
        connection.write(start)
        connection.drip(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 5000, pause_seconds=0.02)

    clock = SystemClock()
    with TcpServer(dripping) as server:
        before = clock.elapsed_seconds()
        error = caught(lambda: send(server.url, SHORT))
        taken = clock.elapsed_seconds() - before
    assert type(error) is ReplyLost
    assert error.evidence["cause"] == "ReadTimeout"
    assert 0.25 < taken < 3


def test_a_server_that_does_not_read_ends_at_the_deadline() -> None:
    done = threading.Event()

    def idle(_: Connection) -> None:
        assert done.wait(10)

    more_than_sockets_buffer = "x" * 10_000_000
    with TcpServer(idle) as server, client_of(server.url, SHORT) as client:
        error = caught(lambda: client.send_one(ANNA.number, more_than_sockets_buffer))
        done.set()
    assert type(error) is ReplyLost
    assert error.evidence["cause"] == "WriteTimeout"
    assert error.evidence["phase"] == "write"


def test_a_reply_without_end_is_cut() -> None:
    def endless(connection: Connection) -> None:
        connection.read_request()
        connection.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                connection.write(b" " * 1024 * 1024)

    with TcpServer(endless) as server:
        error = caught(lambda: send(server.url))
    assert type(error) is ReplyUnreadable
    assert error.evidence["cause"] == "DecodingError"


def test_all_addresses_of_a_name_are_tried() -> None:
    with TcpServer(answers(WITH_LENGTH)) as server:
        assert send(f"http://localhost:{server.port}").messages


def test_a_refusal_before_the_whole_request_is_read_is_heard() -> None:
    def too_big(connection: Connection) -> None:
        connection.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.read_request()

    with TcpServer(too_big) as server:
        assert type(caught(lambda: send(server.url))) is TooBig


def test_a_redirect_is_not_followed() -> None:
    with TcpServer(answers(b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")) as server:
        assert type(caught(lambda: send(server.url))) is AccountRefused
    assert len(server.received) == 1


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port()}")
    with TcpServer(answers(WITH_LENGTH)) as server:
        assert send(server.url).messages


def test_several_threads_share_one_client() -> None:
    credits_left = b'{"success":true,"data":{"credits":3},"error":null}'
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(credits_left) + credits_left
    found: list[Balance] = []
    with TcpServer(*[answers(reply)] * 8) as server, client_of(server.url) as client:
        threads = [threading.Thread(target=lambda: found.append(client.balance())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert found == [Balance(3)] * 8


@pytest.mark.parametrize("url", ["", "sms.example.com", "ftp://sms.example.com", "https://", "http://[::1", "a://b c"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="must begin with http"):
        client_of(url)


@pytest.mark.parametrize("url", ["https://me:hidden@sms.example.com", "https://x.example/?key=hidden"])
def test_an_address_with_a_secret_in_it(url: str) -> None:
    with pytest.raises(ValueError, match="API key is a setting") as raised:
        client_of(url)
    assert "hidden" not in str(raised.value)


def test_an_exchange_without_time_left_times_out() -> None:
    clock = FakeClock()
    exchange = Exchange(clock, Timeouts(), deadline=10)
    clock.advance(8)
    assert exchange.allowed_seconds(timedelta(seconds=5)) == 2
    clock.advance(2)
    with pytest.raises(TimeoutError):
        exchange.allowed_seconds(timedelta(seconds=5))
    assert exchange.phase is Phase.CONNECT
