"""Signed calls that are as full as they can be: each costs a moment, and the next one is accepted."""

import json
import time
from typing import Any

import pytest

from tests.scheduler.web.caller import Door, message, push, stored
from worker.runtime import Runtime

LONG = 900_000


@pytest.mark.parametrize(
    "given",
    [
        {"number": "1" * LONG},
        {"number": "\u202e" * (LONG // 12)},
        {"message": "x" * LONG},
        {"message": "\ufdfa" * (LONG // 12)},
        {"message": "\x00" * 50_000},
        {"ID": "9" * LONG},
        {"ID": 10**400},
        {"deviceID": "9" * LONG, "simSlot": -(10**300)},
        {"deviceID": 2**31, "simSlot": 2**63, "resultCode": 2**31, "errorCode": 2**40, "retries": 2**63},
        {"sentDate": "9" * LONG},
        {"sentDate": 10**300, "deliveredDate": -1},
        {"sentDate": "9999-12-31T23:59:59-23:59", "deliveredDate": "0001-01-01T00:00:00+23:59"},
        {"groupID": "g" * LONG},
        {"groupID": {"a": [{}]}, "userID": [[[]]]},
    ],
    ids=lambda given: ",".join(given),
)
def test_no_value_is_too_much(door: Door, runtime: Runtime, given: dict[str, Any]) -> None:
    began = time.process_time()

    status = push(door.url, [message(1) | given])

    assert status in {200, 400}
    assert time.process_time() - began < 10  # the door's thread is part of this process
    assert all(len(text) <= 2_000 for _, text in stored(runtime.store))
    assert push(door.url, [message(2)]) == 200


def test_a_call_full_of_messages_is_taken(door: Door, runtime: Runtime) -> None:
    many = [{"ID": id_, "status": "Received", "number": "+393331234567"} for id_ in range(1, 5_001)]
    assert len(json.dumps(many)) * 1.6 < 1_048_576  # as a form
    began = time.process_time()

    while (status := push(door.url, many)) == 503:  # on a busy machine it takes longer than a caller waits: call again
        assert time.process_time() - began < 20

    assert status == 200
    assert time.process_time() - began < 20
    assert len(stored(runtime.store)) == 5_000
