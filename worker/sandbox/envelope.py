"""The envelope of every reply of the API."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from worker.sandbox.errors import ApiError


def success(data: Mapping[str, object]) -> bytes:
    """Return the body of a successful reply."""
    return _json({"success": True, "data": data, "error": None})


def success_with(name: str, lists: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """Yield the same for one list under `name`, in pieces: one for each part of the list, and the text around them."""
    yield b'{"success":true,"data":{"%s":[' % name.encode()
    between = b""
    for part in lists:
        yield between + _json(part)[1:-1]
        between = b","
    yield b']},"error":null}'


def failure(error: ApiError) -> bytes:
    """Return the body of a refusal."""
    return _json({"success": False, "data": None, "error": {"code": error.code, "message": error.message}})


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
