"""`throttle`: what is limited, and limits that are changed while texts are sent."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from campaigns.clock import SystemClock
from campaigns.definition import Rate
from worker.limits.live_limits import live_ceilings
from worker.settings.settings import load_settings
from worker.store.engine import Store
from worker.store.runs.runs import run_view
from worker.store.sending import account_limits

Cli = Callable[..., Result]
Planned = Callable[[str], tuple[Store, int]]

MINUTE = timedelta(minutes=1)


def shown(run: Cli, *arguments: str) -> dict[tuple[str, str], dict[str, Any]]:
    """What `throttle --json` says, by scope and limit."""
    result = run("throttle", *arguments, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    return {(said["scope"], said["limit"]): said for said in map(json.loads, result.stdout.splitlines())}


def account_of(store: Store, run_id: int) -> int:
    with store.read() as session:
        return run_view(session, run_id).account_id


def test_without_a_change_every_limit_is_shown_with_where_it_comes_from(
    run: Cli, planned: Planned, campaign_file: Path
) -> None:
    planned("spring-sale")

    said = shown(run)

    assert said["device:*", "rate"] == {
        "scope": "device:*",
        "limit": "rate",
        "value": "30/minute",
        "source": "CAMPAIGNS_DEVICE_RATE",
        "until": None,
        "reason": None,
    }
    assert said["account", "rate"]["value"] is None
    assert ["each", "phone", "rate", "30/minute", "CAMPAIGNS_DEVICE_RATE"] in [
        line.split() for line in run("throttle").stdout.splitlines()
    ]


@pytest.mark.parametrize(
    ("arguments", "scope", "limit", "value"),
    [
        (["--account", "--rate", "100/minute"], "account", "rate", "100/minute"),
        (["--account", "--daily", "500"], "account", "daily", "500"),
        (["--device", "2|0", "--rate", "5/minute"], "device:2|0", "rate", "5/minute"),
        (["spring-sale", "--rate", "10/hour"], "campaign:spring-sale", "rate", "10/hour"),
        (["spring-sale", "--rate", "none"], "campaign:spring-sale", "rate", None),
        (["spring-sale", "--daily", "none"], "campaign:spring-sale", "daily", None),
        (["spring-sale", "--weight", "3"], "campaign:spring-sale", "weight", "3"),
    ],
)
def test_a_change_is_in_force_and_can_be_cleared(
    run: Cli, planned: Planned, arguments: list[str], scope: str, limit: str, value: str | None
) -> None:
    planned("spring-sale")
    before = shown(run)

    said = shown(run, *arguments)
    place = [word for word in arguments[:2] if not word.startswith(("--rate", "--daily", "--weight"))]
    place = place if place[0].startswith("--device") else place[:1]

    assert (said[scope, limit]["value"], said[scope, limit]["source"]) == (value, "by hand")
    run("throttle", *place, "--clear")
    assert shown(run) == before


def test_a_worker_at_work_obeys_within_half_a_second(run: Cli, planned: Planned) -> None:
    store, run_id = planned("spring-sale")
    live = live_ceilings(store, account_of(store, run_id), load_settings(gateway_url="x"), SystemClock())
    assert live.current().campaign_rates == {}

    run("throttle", "spring-sale", "--rate", "10/minute")

    clock = SystemClock()
    until = clock.elapsed_seconds() + 1
    while not live.current().campaign_rates and clock.elapsed_seconds() < until:
        clock.sleep(0.05)
    assert live.current().campaign_rates == {"spring-sale": Rate(10, MINUTE)}


def test_a_slowed_phone_is_shown_with_why_and_until_when(run: Cli, planned: Planned) -> None:
    store, run_id = planned("spring-sale")
    now = SystemClock().now()
    with store.write() as session:
        account_limits.set_ceiling(
            session,
            account_of(store, run_id),
            "device:1",
            account_limits.RECEIPTS,
            now=now,
            rate="15/minute",
            until=now + 15 * MINUTE,
            reason="its phone reported it",
        )

    said = shown(run)["device:1", "rate"]

    assert (said["value"], said["source"], said["reason"]) == (
        "15/minute", "its phone's reports", "its phone reported it",
    )  # fmt: skip
    assert "phone 1 is slowed down to 15/minute" in run("status").stdout
    assert "phone 1 is slowed down to 15/minute" in run("status", "spring-sale").stdout
    shown(run, "--device", "1", "--clear")
    assert ("device:1", "rate") not in shown(run)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["spring-sale", "--rate", "fast"], "number of segments per time"),
        (["spring-sale", "--daily", "0"], "whole number of segments"),
        (["spring-sale", "--weight", "0"], "from 1 to 100"),
        (["--account", "--weight", "2"], "only a campaign has a weight"),
        (["--rate", "1/minute"], "say what to change"),
        (["spring-sale", "--account", "--rate", "1/minute"], "only one of them"),
        (["--device", "phone", "--rate", "1/minute"], "must be a device"),
        (["--device", "1", "--daily", "5"], "CAMPAIGNS_DEVICE_DAILY"),
        (["--account", "--clear", "--rate", "1/minute"], "leave out the other options"),
        (["--account", "--clear"], "nothing to clear"),
        (["zebra", "--rate", "1/minute"], "there is no campaign zebra"),
    ],
)
def test_what_cannot_be_is_bad_input(run: Cli, planned: Planned, arguments: list[str], said: str) -> None:
    planned("spring-sale")

    result = run("throttle", *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in " ".join(result.stderr.replace("│", " ").split())


def test_before_the_first_campaign_there_is_nothing_to_throttle(run: Cli) -> None:
    result = run("throttle")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "there are no campaigns yet" in result.stderr
