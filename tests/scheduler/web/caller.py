"""Calling the webhook as a gateway does, and in other ways."""

import base64
import hashlib
import hmac
import http.client
import json
import select
import socket
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode, urlsplit

from pydantic import SecretStr
from sqlmodel import col
from sqlmodel import select as sql_select

from scheduler.doctor.checkup import Checkup
from scheduler.web.app import WEBHOOK, make_app
from scheduler.web.serving import FrontDoor, listen, url_of
from worker.runtime import Runtime
from worker.store.engine import Store
from worker.store.models import Inbound

KEY: Final = "f3a9-Kéy"
LONG_BYTES: Final = 1_048_576
FORM: Final = "application/x-www-form-urlencoded"


class Door:
    """The front door of a runtime, open during the block."""

    def __init__(self, runtime: Runtime, *, body_seconds: float = 10.0, key: str | None = KEY) -> None:
        """`key` None: the one from the settings."""
        listener = listen("127.0.0.1:0")
        self.url = url_of(listener)
        secret, examine = SecretStr(key) if key else None, Checkup(runtime.clock)
        app = make_app(runtime, secret, body_seconds=body_seconds, examine=examine)
        self._front = FrontDoor(app, listener)

    def __enter__(self) -> Self:
        self._front.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._front.__exit__(kind, error, at)


def message(id_: int, text: str = "STOP", *, number: str = "+393331234567", status: str = "Received") -> dict[str, Any]:
    """A message as the gateway documents it."""
    return {
        "ID": str(id_),
        "number": number,
        "message": text,
        "deviceID": "1",
        "simSlot": "0",
        "userID": "1",
        "status": status,
        "sentDate": "2026-11-22T10:00:00+01:00",
        "deliveredDate": None,
        "groupID": None,
    }


def signed(field: str, key: str = KEY) -> str:
    """The result of PHP's `base64_encode(hash_hmac('sha256', $_POST['messages'], API_KEY, true))`."""
    return base64.b64encode(hmac.new(key.encode(), field.encode(), hashlib.sha256).digest()).decode()


def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """The status of one POST to the webhook."""
    parts = urlsplit(url)
    lines = {"Host": parts.netloc, **headers, "Content-Length": str(len(body))}
    head = f"POST {WEBHOOK} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=30) as connection:
        # In one piece: of a hundred threads on a busy machine, one may rest for 10 s between head and body.
        connection.sendall(head.encode() if len(body) > LONG_BYTES else head.encode() + body)
        # What is refused for its length is answered at once; a body sent into the closed connection would lose the
        # answer.
        if len(body) > LONG_BYTES and not select.select([connection], [], [], 5.0)[0]:
            connection.sendall(body)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status


def push(url: str, messages: Sequence[Mapping[str, Any]], *, key: str = KEY) -> int:
    """One call, as a gateway makes it."""
    field = json.dumps(messages, ensure_ascii=False)
    body = urlencode({"messages": field}).encode()
    return post(url, body, {"Content-Type": FORM, "X-SG-SIGNATURE": signed(field, key)})


def stored(store: Store) -> list[tuple[int, str]]:
    """ID and text of every reply; checks that each came by the webhook."""
    with store.read() as session:
        rows = list(session.exec(sql_select(Inbound).order_by(col(Inbound.gateway_id))))
    assert {row.came_by for row in rows} <= {"webhook"}
    return [(row.gateway_id, row.text) for row in rows]
