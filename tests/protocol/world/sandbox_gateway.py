"""The sandbox below the client, in the test's own process: its time is the clock that only the test moves."""

import asyncio
import json
from dataclasses import asdict
from typing import Any, Final
from urllib.parse import urlencode

import httpx

from tests.support.clocks import FakeClock
from worker.sandbox.app import DROP, SandboxApp
from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.plan import FaultPlan, FaultRule
from worker.sandbox.running.options import SandboxOptions

KEY: Final = "sandbox-of-the-bench"
EVERYTHING: Final = (RequestKind.SEND, RequestKind.READ, RequestKind.BALANCE)


class SandboxGateway(httpx.BaseTransport):
    """Takes the place of the network: each request is one call of the sandbox's application."""

    def __init__(self, clock: FakeClock, **options: Any) -> None:
        """`options` are those of the sandbox."""
        self.app = SandboxApp(SandboxOptions(key=KEY, **options), clock=clock)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return asyncio.run(self._call(request.url.path, request.content, request))

    def fail(self, fault: str, *requests: RequestKind) -> None:
        """From now on, every request of these kinds meets this fault."""
        self._put(FaultPlan(rules=(FaultRule(requests, 1.0, {fault: 1.0}),)))

    def work(self) -> None:
        """From now on, nothing goes wrong."""
        self._put(FaultPlan())

    def receive(self, number: str, text: str) -> None:
        """Somebody writes to a phone."""
        self._own("inbound", urlencode({"number": number, "message": text, "key": KEY}).encode())

    def close(self) -> None:
        self.app.close()

    def _put(self, plan: FaultPlan) -> None:
        self._own("faults", json.dumps({**asdict(plan), "key": KEY}).encode())

    def _own(self, name: str, body: bytes) -> None:
        asyncio.run(self._call(f"/sandbox/{name}", body)).raise_for_status()

    async def _call(self, path: str, body: bytes, request: httpx.Request | None = None) -> httpx.Response:
        sent: list[dict[str, Any]] = []
        unread = [body]
        resets: list[bool] = []

        async def receive() -> dict[str, Any]:
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            return {"type": "http.disconnect"}

        async def send(event: dict[str, Any]) -> None:
            sent.append(event)

        scope = {
            "type": "http",
            "path": path,
            "method": "POST",
            "client": ("127.0.0.1", 1),
            "extensions": {DROP: {"reset": lambda: resets.append(True)}},
        }
        await self.app(scope, receive, send)
        if resets:
            raise httpx.ReadError("connection reset")
        begun, *rest = sent
        content = b"".join(event.get("body", b"") for event in rest)
        asked = request or httpx.Request("POST", f"http://sandbox{path}")
        return httpx.Response(begun["status"], headers=begun["headers"], content=content, request=asked)
