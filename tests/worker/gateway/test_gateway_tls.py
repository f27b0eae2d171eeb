"""The client over TLS: whom it trusts, that nothing leaves before it does, and that its deadlines hold."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from campaigns.clock import SystemClock
from tests.support.clocks import FakeClock
from tests.support.tcp_server import Connection, Script, TcpServer
from tests.support.tls import Authority, TlsFront
from tests.worker.gateway.gateway_cases import ANNA, KEY, caught
from tests.worker.gateway.test_gateway_sockets import SHORT, WITH_LENGTH, answers
from worker.gateway import CertificateRefused, ConnectFailed, GatewayClient, ReplyLost, SendOutcome, Timeouts
from worker.settings.settings import SettingsError


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_a_send_over_tls_to_a_server_of_ones_own_authority(authority: Authority) -> None:
    with (
        TcpServer(answers(WITH_LENGTH)) as server,
        TlsFront(server.url, authority.server()) as front,
        GatewayClient(front.url, SecretStr(KEY), clock=SystemClock(), ca_file=authority.ca_file) as client,
    ):
        sent = client.send_bulk([ANNA])

    assert [message.id for message in sent.messages] == [7]
    assert server.received[0].endswith(b"&key=s3cr3t%2Bkey%26with%3Dsigns")


@pytest.mark.parametrize(
    ("name", "is_expired", "is_known", "reason", "advice"),
    [
        ("127.0.0.1", False, False, "unable to get local issuer certificate", "CAMPAIGNS_CA_FILE"),
        ("127.0.0.1", True, True, "certificate has expired", "Renew it"),
        ("127.0.0.2", False, True, "certificate is not valid for '127.0.0.1'", "Correct CAMPAIGNS_GATEWAY_URL"),
        ("sms.example.com", False, True, "certificate is not valid for '127.0.0.1'", "Correct CAMPAIGNS_GATEWAY_URL"),
    ],
)
def test_a_certificate_that_is_not_believed_ends_it_before_the_first_byte(
    authority: Authority, name: str, is_expired: bool, is_known: bool, reason: str, advice: str
) -> None:
    checks: list[str] = []
    clock = FakeClock()
    ca_file = authority.ca_file if is_known else None
    with (
        TcpServer() as server,
        TlsFront(server.url, authority.server(name, is_expired=is_expired)) as front,
        GatewayClient(front.url, SecretStr(KEY), clock=clock, ca_file=ca_file) as client,
    ):
        error = caught(lambda: client.send_bulk([ANNA], before_first_byte=lambda: checks.append("asked")))

    assert type(error) is CertificateRefused
    assert error.outcome is SendOutcome.NOT_SENT
    assert (error.evidence["phase"], error.evidence["bytes_written"]) == ("tls", 0)
    assert reason in str(error)
    assert "nothing was sent" in str(error)
    assert advice in str(error)
    assert checks == []
    assert server.received == []
    assert clock.elapsed_seconds() == FakeClock().elapsed_seconds(), "the next try would find the same certificate"


def says_nothing(connection: Connection) -> None:
    connection.read_to_the_end()


def drips(connection: Connection) -> None:
    """The beginning of a record that never ends: each byte arrives in time, but never all of them."""
    connection.drip(b"\x16\x03\x03\x40\x00" + bytes(2_000), pause_seconds=0.02)


@pytest.mark.parametrize("handshake", [says_nothing, drips])
@pytest.mark.parametrize(
    "timeouts", [SHORT, Timeouts(connect=timedelta(milliseconds=100), total=timedelta(milliseconds=800))]
)
def test_a_handshake_that_hangs_ends_at_the_deadline_and_nothing_was_sent(
    authority: Authority, handshake: Script, timeouts: Timeouts
) -> None:
    began = time.monotonic()
    with TcpServer(*[handshake] * 3) as server:
        url = f"https://127.0.0.1:{server.port}"
        with GatewayClient(url, SecretStr(KEY), clock=SystemClock(), timeouts=timeouts) as client:
            error = caught(lambda: client.send_bulk([ANNA]))

    assert time.monotonic() - began < 5
    assert type(error) is ConnectFailed
    assert error.evidence["bytes_written"] == 0
    assert "timed out" in str(error) or "took too long" in str(error)


def never_answers(connection: Connection) -> None:
    connection.read_request()
    connection.read_to_the_end()


def drips_its_answer(connection: Connection) -> None:
    connection.read_request()
    connection.drip(WITH_LENGTH, pause_seconds=0.05)


def hangs_up_in_the_middle(connection: Connection) -> None:
    connection.read_request()
    connection.write(WITH_LENGTH[:60])


@pytest.mark.parametrize("script", [never_answers, drips_its_answer, hangs_up_in_the_middle])
def test_what_left_over_tls_without_an_answer_may_have_arrived(
    authority: Authority, script: Callable[[Connection], None]
) -> None:
    began = time.monotonic()
    with (
        TcpServer(script) as server,
        TlsFront(server.url, authority.server()) as front,
        GatewayClient(
            front.url, SecretStr(KEY), clock=SystemClock(), timeouts=SHORT, ca_file=authority.ca_file
        ) as client,
    ):
        error = caught(lambda: client.send_bulk([ANNA]))

    assert time.monotonic() - began < 5
    assert type(error) is ReplyLost
    assert error.may_have_arrived
    assert isinstance(written := error.evidence["bytes_written"], int)
    assert written > 100


@pytest.mark.parametrize(("content", "problem"), [(None, "cannot be read"), ("", "no certificate"), ("x", "no cert")])
def test_a_file_of_authorities_that_cannot_be_used_is_named(tmp_path: Path, content: str | None, problem: str) -> None:
    path = tmp_path / "ours.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=rf"CAMPAIGNS_CA_FILE names .*ours\.pem, which .*{problem}"):
        GatewayClient("https://sms.example.com", SecretStr(KEY), clock=FakeClock(), ca_file=path)
