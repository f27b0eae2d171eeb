"""The fault proxy as a server: many clients, dying clients, its port and its end."""

import json
import threading
from collections.abc import Iterator

import pytest

from tests.worker.sandbox.faults.faulty_gateway import (
    KEY,
    LOST,
    NUMBERS,
    Aftermath,
    FaultyGateway,
    connect,
    request_bytes,
)
from tests.worker.sandbox.php_client import until
from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.plan import FaultPlan
from worker.sandbox.running.options import SandboxOptions
from worker.sandbox.running.process import PrivateSandbox


@pytest.fixture(scope="module")
def gateway() -> Iterator[FaultyGateway]:
    with FaultyGateway.start(SandboxOptions(key=KEY, proxy=True, pace_per_second=1_000.0)) as started:
        yield started


def test_a_client_that_dies_in_the_middle_is_no_fault_of_the_proxy(gateway: FaultyGateway, since: Aftermath) -> None:
    # when
    for size in (0, 10, 80, len(request_bytes()) - 3):
        with connect(gateway) as connection:
            connection.sendall(request_bytes()[:size])
    # then
    assert gateway.send().json()["success"]
    assert since.drawn() == []
    assert len(since.stored()) == len(NUMBERS)


def test_many_clients_at_once_are_all_counted(gateway: FaultyGateway, since: Aftermath) -> None:
    # given
    gateway.switch("request_cut", "reply_cut", "reset_after_request", "server_error_after", rate=0.5)

    def send_some() -> None:
        for _ in range(10):
            try:
                gateway.send()
            except LOST:
                continue

    # when
    clients = [threading.Thread(target=send_some) for _ in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    # then
    plan = FaultPlan.from_json(json.dumps(gateway.client.get("/sandbox/faults").json()["plan"]))
    expected = [fault for nth in range(1, 41) if (fault := plan.draw(RequestKind.SEND, nth, 0.0)[0])]
    assert until(lambda: len(since.drawn()) == len(expected))
    assert sorted(line["fault"] for line in since.drawn()) == sorted(expected)
    assert len({line["request"] for line in since.drawn()}) == len(expected)
    assert len(since.stored()) == (40 - expected.count("request_cut")) * len(NUMBERS)


def test_a_sandbox_with_a_proxy_ends_of_itself_even_with_clients_in_a_black_hole() -> None:
    # given
    with FaultyGateway.start(SandboxOptions(key=KEY, proxy=True)) as gateway:
        gateway.switch("black_hole")
        with connect(gateway) as connection:
            connection.sendall(request_bytes())
            assert until(gateway.log)
            # when
            gateway.sandbox.stop()
            # then: it did not have to be killed
            assert gateway.sandbox.process.returncode == 0


def test_the_proxy_has_the_port_that_was_asked_for() -> None:
    # given
    with PrivateSandbox.start(SandboxOptions(proxy=True)) as first:
        port = int(first.url.rpartition(":")[2])
    # when
    with PrivateSandbox.start(SandboxOptions(port=port, proxy=True)) as second:
        # then
        assert second.url == first.url
