"""`balance` and `contacts`, against a sandbox gateway."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from tests.support.nursery import Sandbox
from worker.sandbox.running.options import SandboxOptions

Cli = Callable[..., Result]
NUMBER = "+39 333 100 0001"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start(SandboxOptions(credits=1200)) as running:
        yield running


@pytest.fixture
def connected(run: Cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("CAMPAIGNS_GATEWAY_URL", sandbox.url)
    monkeypatch.setenv("CAMPAIGNS_API_KEY", sandbox.key)
    return run


def test_the_balance_is_shown(connected: Cli) -> None:
    assert connected("balance").stdout == "credits: 1,200\n"
    assert json.loads(connected("balance", "--json").stdout) == {"credits": 1200, "unlimited": False}


def test_a_contact_is_added_by_its_normal_number(connected: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMPAIGNS_REGION", "it")

    result = connected("contacts", "add", "1", "333 100 0001", "--name", "Anna", "--json")

    contact = json.loads(result.stdout)
    assert (contact["list"], contact["number"], contact["name"], contact["subscribed"]) == (
        1,
        "+393331000001",
        "Anna",
        True,
    )


def test_adding_and_unsubscribing_twice_is_done_already(connected: Cli) -> None:
    for arguments in (
        ["add", "2", NUMBER],
        ["add", "2", NUMBER],
        ["unsubscribe", "2", NUMBER],
        ["unsubscribe", "2", NUMBER],
    ):
        assert connected("contacts", *arguments).exit_code == 0


@pytest.mark.parametrize("number", ["333 100 0001", "call me", "+39 1"])
def test_an_unusable_number_is_bad_input_and_not_repeated(connected: Cli, number: str) -> None:
    result = connected("contacts", "add", "1", number)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("the number cannot be used: ")
    assert number not in result.stderr


def test_a_wrong_key_stops_with_the_gateways_reason(connected: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMPAIGNS_API_KEY", "wrong-key-71")

    result = connected("balance")

    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr.count("\n") == 1
    assert "wrong-key-71" not in result.stderr


def test_a_key_can_come_from_a_file(
    connected: Cli, sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMPAIGNS_API_KEY", "")
    (folder / "key").write_text(f"{sandbox.key}\n")
    monkeypatch.setenv("CAMPAIGNS_API_KEY_FILE", "key")

    assert connected("balance").exit_code == 0


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("CAMPAIGNS_GATEWAY_URL", "", "no gateway is set"),
        ("CAMPAIGNS_GATEWAY_URL", "ftp://example.com", "CAMPAIGNS_GATEWAY_URL: "),
        ("CAMPAIGNS_API_KEY", "", "no API key is set"),
        ("CAMPAIGNS_TIMEZONE", "Rome", "CAMPAIGNS_TIMEZONE: "),
    ],
)
def test_a_setting_that_is_missing_or_wrong_is_named(
    connected: Cli, monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(name, value)

    result = connected("balance")

    assert result.exit_code == 2
    assert result.stderr.startswith(sentence)
    assert result.stderr.count("\n") == 1


def test_a_gateway_without_http_is_named_by_a_command_that_sends(
    connected: Cli, campaign_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMPAIGNS_GATEWAY_URL", "sms.example.com")

    result = connected("run", str(campaign_file))

    assert result.exit_code == 2
    assert result.stderr.startswith("CAMPAIGNS_GATEWAY_URL: The gateway's URL must begin with http:// or https://")
    assert result.stderr.count("\n") == 1
