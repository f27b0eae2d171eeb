"""A read that finds thousands of messages: others are answered meanwhile."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.clocks import FakeClock
from tests.worker.sandbox.php_client import php_form, php_json
from worker.sandbox.app import READ_AT_ONCE, SandboxApp
from worker.sandbox.options import Profile, SandboxOptions

KEY = "k"
SEND, READ = "/services/send.php", "/services/read-messages.php"


async def call(app: SandboxApp, path: str, **fields: Any) -> dict[str, Any]:
    """One request, and the JSON that answers it."""
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
        found, _ = await asyncio.gather(read(), write())
        return found

    found = asyncio.run(both())
    app.close()

    # then the reply is whole, and shows what there was when it began
    assert order == ["sent", "read"]
    assert (found["success"], found["error"]) == (True, None)
    shown = [row["number"] for row in found["data"]["messages"]]
    assert shown == [f"+39333{n:07}" for n in range(1, many)]  # the phone has the first one already
