"""What every reply of the API is wrapped in."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from worker.sandbox.errors import ApiError


def success(data: Mapping[str, object]) -> bytes:
    """The body of a reply that worked."""
    return _json({"success": True, "data": data, "error": None})


def success_with(name: str, lists: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """The same for one list under `name`, in pieces: one for each part of the list, and what stands around them."""
    yield b'{"success":true,"data":{"%s":[' % name.encode()
    between = b""
    for part in lists:
        yield between + _json(part)[1:-1]
        between = b","
    yield b']},"error":null}'


def failure(error: ApiError) -> bytes:
    """The body of a refusal."""
    return _json({"success": False, "data": None, "error": {"code": error.code, "message": error.message}})


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
