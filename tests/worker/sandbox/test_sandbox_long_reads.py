"""A read that finds thousands of messages does not keep others from being answered."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.clocks import FakeClock
from tests.worker.sandbox.php_client import php_form, php_json
from worker.sandbox.app import READ_AT_ONCE, SandboxApp
from worker.sandbox.running.options import Profile, SandboxOptions

KEY = "k"
SEND, READ = "/services/send.php", "/services/read-messages.php"


async def call(app: SandboxApp, path: str, **fields: Any) -> dict[str, Any]:
    """Make one request; return the JSON that answers it."""
    body = [{"type": "http.request", "body": php_form({**fields, "key": KEY})}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return body.pop()

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    await app({"type": "http", "path": path, "method": "POST", "client": ("127.0.0.1", 1)}, receive, send)
    answer: dict[str, Any] = json.loads(b"".join(event.get("body", b"") for event in sent))
    return answer


def rows(first: int, count: int) -> str:
    return php_json([{"number": f"+39333{first + n:07}", "message": f"Hello {n}"} for n in range(count)])


@pytest.mark.parametrize("profile", list(Profile))
def test_a_text_is_taken_while_a_long_read_is_written(profile: Profile) -> None:
    app = SandboxApp(SandboxOptions(key=KEY, profile=profile), clock=FakeClock())
    many = 4 * READ_AT_ONCE + 1
    order: list[str] = []

    async def read() -> dict[str, Any]:
        found = await call(app, READ, status="Pending", startTimestamp=0, endTimestamp=2**31)
        order.append("read")
        return found

    async def write() -> None:
        await call(app, SEND, messages=rows(many, 1))
        order.append("sent")

    async def both() -> dict[str, Any]:
        await call(app, SEND, messages=rows(0, many))
        found: dict[str, Any]
        found, _ = await asyncio.gather(read(), write())
        return found

    found = asyncio.run(both())
    app.close()

    # then the reply is complete, and shows what there was when it began
    assert order == ["sent", "read"]
    assert (found["success"], found["error"]) == (True, None)
    shown = [row["number"] for row in found["data"]["messages"]]
    assert shown == [f"+39333{n:07}" for n in range(1, many)]  # the phone already has the first one


@pytest.mark.parametrize(("heeds_time", "found"), [(True, 0), (False, 3)])
def test_a_gateway_may_show_all_times_in_every_window(heeds_time: bool, found: int) -> None:
    options = SandboxOptions(key=KEY, profile=Profile.INTS, heeds_time=heeds_time)
    app = SandboxApp(options, clock=FakeClock())

    async def read_long_ago() -> dict[str, Any]:
        await call(app, SEND, messages=rows(0, 3))
        return await call(app, READ, startTimestamp=1, endTimestamp=2)

    answer = asyncio.run(read_long_ago())
    app.close()
    assert len(answer["data"]["messages"]) == found


def test_a_gateways_clock_may_be_ahead_in_dates_and_windows() -> None:
    clock = FakeClock()
    app = SandboxApp(SandboxOptions(key=KEY, profile=Profile.INTS, clock_ahead_seconds=180), clock=clock)
    now = int(clock.now().timestamp())

    async def read_both() -> list[int]:
        await call(app, SEND, messages=rows(0, 3))
        windows = [(now - 60, now + 60), (now + 120, now + 240)]
        answers = [await call(app, READ, startTimestamp=a, endTimestamp=b) for a, b in windows]
        return [len(answer["data"]["messages"]) for answer in answers]

    found = asyncio.run(read_both())
    app.close()
    assert found == [0, 3]
