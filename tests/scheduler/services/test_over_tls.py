"""A campaign through a gateway that speaks TLS, reported over TLS, with certificates of one's own authority."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from campaigns.clock import SystemClock
from scheduler.doctor.gateway import check_address
from tests.prove.world.evidence import read_ledger
from tests.prove.world.product import Ended, Product, write_campaign
from tests.support.nursery import Sandbox
from tests.support.receiver import Receiver
from tests.support.tls import Authority, TlsFront
from worker.sandbox.running.options import SandboxOptions

KEY = "key-over-tls-4711"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    options = SandboxOptions(key=KEY, ledger=tmp_path / "ledger.jsonl", pace_per_second=500, delivery_max_seconds=0.4)
    with Sandbox.start(options) as running:
        yield running


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def run(folder: Path, url: str, **settings: str) -> Ended:
    audience = write_campaign(folder, "spring-sale", recipients=10)
    product = Product(folder, gateway_url=url, key=KEY, **settings)
    return product.run("run", str(audience.path), "--json")


def test_sent_and_told_over_tls(tmp_path: Path, sandbox: Sandbox, authority: Authority) -> None:
    with (
        TlsFront(sandbox.url, authority.server()) as gateway,
        Receiver() as receiver,
        TlsFront(receiver.url, authority.server()) as webhook,
    ):
        ended = run(
            tmp_path, gateway.url, ca_file=str(authority.ca_file), report_webhook=webhook.url,
            allow_private_webhooks="true",
        )  # fmt: skip

    assert ended.code == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1])["recipients"]["delivered"] == 10
    assert len(read_ledger(tmp_path / "ledger.jsonl")) == 10
    assert receiver.events() == ["run.started", "run.completed"]


def test_without_trust_nothing_is_sent_and_the_command_says_why(
    tmp_path: Path, sandbox: Sandbox, authority: Authority
) -> None:
    with TlsFront(sandbox.url, authority.server()) as gateway:
        ended = run(tmp_path, gateway.url)
        is_reachable, findings = check_address(gateway.url, None, SystemClock())

    assert ended.code == 4
    assert "set CAMPAIGNS_CA_FILE to the certificate of the authority that issued it" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "ledger.jsonl").read_text()
    # and the doctor says the same
    assert not is_reachable
    assert [(found.says, found.advice) for found in findings] == [
        (
            "the gateway's certificate is not accepted (unable to get local issuer certificate)",
            "renew it, or set CAMPAIGNS_CA_FILE to the certificate of the authority that issued it",
        )
    ]
