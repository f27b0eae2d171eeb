"""A client that is not ours: the calls of the API documentation, encoded as PHP would encode them."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote_plus
from urllib.request import Request, urlopen

Row = dict[str, Any]
Value = str | int | bool | None


class RefusedError(Exception):
    """`success` was false."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(f"{code}: {message}")


def php_form(fields: Mapping[str, Value]) -> bytes:
    """A form body: null becomes an empty field, true `1`, false an empty field."""
    texts = {name: "1" if value is True else str(value or "") for name, value in fields.items()}
    return "&".join(f"{quote_plus(name)}={quote_plus(text)}" for name, text in texts.items()).encode()


def php_json(value: object) -> str:
    """The value as `json_encode` writes it: escaped slashes, no spaces."""
    return json.dumps(value, separators=(",", ":")).replace("/", r"\/")


def http(url: str, body: bytes | None = None) -> tuple[int, str, str]:
    """Status, content type and body of a POST, or of a GET without a body."""
    try:
        with urlopen(Request(url, data=body), timeout=10) as reply:
            return reply.status, reply.headers["Content-Type"], reply.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def until(get: Callable[[], Any], seconds: float = 20.0) -> Any:
    """The result of `get` as soon as it is true: the sandbox has its own clock, so the test has to look again."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := get():
            return value
        time.sleep(0.01)
    raise AssertionError(f"nothing came within {seconds} s")


@dataclass(frozen=True, slots=True)
class PhpClient:
    """The documentation's sample functions."""

    url: str
    key: str

    def post(self, script: str, fields: Mapping[str, Value]) -> Row:
        status, _, body = http(f"{self.url}/services/{script}.php", php_form({**fields, "key": self.key}))
        assert status == 200
        reply = json.loads(body)
        assert set(reply) == {"success", "data", "error"}
        if not reply["success"]:
            assert reply["data"] is None
            raise RefusedError(reply["error"]["code"], reply["error"]["message"])
        assert reply["error"] is None
        data: Row = reply["data"]
        return data

    def send_single(self, number: str, message: str, device: str | int = 0, schedule: int | None = None) -> list[Row]:
        fields: dict[str, Value] = {"number": number, "message": message, "schedule": schedule, "devices": device}
        return self.messages("send", fields)

    def send_bulk(
        self,
        rows: Sequence[tuple[str, str]],
        option: int = 0,
        devices: Sequence[str | int] = (),
        schedule: int | None = None,
        use_random_device: bool = False,
    ) -> list[Row]:
        return self.messages(
            "send",
            {
                "messages": php_json([{"number": number, "message": message} for number, message in rows]),
                "schedule": schedule,
                "devices": php_json(list(devices)),
                "option": option,
                "useRandomDevice": use_random_device,
            },
        )

    def send_to_list(self, list_id: int, message: str, option: int = 0, devices: Sequence[str | int] = ()) -> list[Row]:
        fields: dict[str, Value] = {"listID": list_id, "message": message, "option": option}
        return self.messages("send", {**fields, "devices": php_json(list(devices)), "schedule": None})

    def balance(self) -> int | None:
        data = self.post("send", {})
        assert set(data) == {"credits"}
        left: int | None = data["credits"]
        return left

    def read(self, **fields: Value) -> list[Row]:
        return self.messages("read-messages", fields)

    def contact(self, **fields: Value) -> Row:
        contact: Row = self.post("manage-contacts", fields)["contact"]
        return contact

    def messages(self, script: str, fields: Mapping[str, Value]) -> list[Row]:
        messages: list[Row] = self.post(script, fields)["messages"]
        return messages
