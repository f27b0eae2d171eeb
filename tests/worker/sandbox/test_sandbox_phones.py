"""Phones that are switched off, come back, or fail what they are given."""

import json

import pytest

from tests.worker.sandbox.conftest import StartSandbox
from tests.worker.sandbox.php_client import PhpClient, http, php_form, until
from worker.sandbox.phones.life import Outcome
from worker.sandbox.running.options import Profile, SandboxOptions
from worker.sandbox.running.process import PrivateSandbox

FAST = SandboxOptions(profile=Profile.INTS, pace_per_second=200.0, delivery_min_seconds=0.0, delivery_max_seconds=0.01)
RULES = FAST.life_rules()


def change(sandbox: PrivateSandbox, **fields: str) -> int:
    """Ask for a change of a phone; return the HTTP status of the answer."""
    return http(f"{sandbox.url}/sandbox/phones", php_form({"key": sandbox.key, **fields}))[0]


def messages(sandbox: PrivateSandbox) -> dict[str, int]:
    """The number of messages in each status."""
    counts: dict[str, int] = json.loads(http(f"{sandbox.url}/sandbox/stats")[2])["messages"]
    return counts


def test_a_phone_that_is_off_sends_nothing_until_it_is_on_again(start_sandbox: StartSandbox) -> None:
    # given
    sandbox = start_sandbox(FAST)
    client = PhpClient(sandbox.url, sandbox.key)
    assert change(sandbox, device="2", state="off") == 200

    # when a text goes to each phone
    client.send_bulk([("+393330000001", "Hi"), ("+393330000002", "Hi")], devices=[1, 2])

    # then only one of them is sent
    until(lambda: messages(sandbox).get("Delivered") == 1)
    assert messages(sandbox) == {"Delivered": 1, "Pending": 1}
    change(sandbox, device="2", state="on")
    until(lambda: messages(sandbox) == {"Delivered": 2})


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"device": "3", "state": "off"}, 400),
        ({"device": "1", "state": "asleep"}, 400),
        ({"device": "1", "state": "failing", "code": "x"}, 400),
        ({"device": "1", "state": "off", "key": "wrong"}, 401),
    ],
)
def test_what_cannot_be_done_to_a_phone_is_said(
    start_sandbox: StartSandbox, fields: dict[str, str], status: int
) -> None:
    assert change(start_sandbox(FAST), **fields) == status


@pytest.mark.parametrize(("number", "code"), [("+393339991004", 4), ("+393339991120", 120), ("+393339990001", 1)])
def test_a_number_can_ask_for_a_result_code(number: str, code: int) -> None:
    life = RULES.life(1, number, 0.0, 0.0)

    assert (life.outcome, life.result_code) == (Outcome.FAILED, code)


def test_a_failing_phone_fails_whatever_the_number() -> None:
    life = RULES.life(1, "+393330000001", 0.0, 0.0, 5)

    assert (life.outcome, life.result_code) == (Outcome.FAILED, 5)
