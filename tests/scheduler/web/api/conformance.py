"""Holding answers against the document: their status is declared, and they have what it says, no less and no more."""

import json
import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from scheduler.web.api.document import PLACE

JSON = "application/json"
ANYWHERE = frozenset({400, 404, 405})
"""What the server itself answers to what is no HTTP, no address or no method."""


@cache
def _document() -> dict[str, Any]:
    # As checked in, and compared by test_api_document: FastAPI cannot make it in several threads at once.
    found: dict[str, Any] = json.loads(PLACE.read_text(encoding="utf-8"))
    return found


@cache
def _addresses() -> list[tuple[re.Pattern[str], str]]:
    """Every address as a pattern; those without a parameter first."""
    found = sorted(_document()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))), path) for path in found]


@cache
def _validator(method: str, path: str, status: int) -> Draft202012Validator:
    answer = _document()["paths"][path][method]["responses"][str(status)]
    schema = {"$defs": _components()} | _closed(answer["content"][JSON]["schema"])
    return Draft202012Validator(schema, format_checker=FormatChecker())


@cache
def _components() -> Any:
    return _closed(_document()["components"]["schemas"])


def _closed(schema: Any) -> Any:
    """A schema that allows no member that it does not name: new ones are to be declared."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema.replace("#/components/schemas/", "#/$defs/") if isinstance(schema, str) else schema
    closed = {name: _closed(value) for name, value in schema.items()}
    return closed | {"additionalProperties": False} if isinstance(schema.get("properties"), dict) else closed


def hold(method: str, address: str, status: int, media_type: str, body: bytes) -> None:
    """Raise `AssertionError` if an answer is not what the document says. `address`: after `/v1`."""
    plain = address.partition("?")[0]
    path = next((path for pattern, path in _addresses() if pattern.fullmatch(plain)), None)
    declared = _document()["paths"].get(path, {}).get(method.lower())
    if path is None or declared is None:
        return
    assert str(status) in declared["responses"] or status in ANYWHERE, f"{method} {path}: {status} is not declared"
    if 200 <= status < 300 and media_type == JSON:
        wrong = list(_validator(method.lower(), path, status).iter_errors(json.loads(body)))
        assert not wrong, f"{method} {path}: {[(error.json_path, error.message[:200]) for error in wrong[:5]]}"
