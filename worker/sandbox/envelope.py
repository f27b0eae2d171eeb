"""What every reply of the API is wrapped in."""

import json
from collections.abc import Mapping

from worker.sandbox.errors import ApiError


def success(data: Mapping[str, object]) -> bytes:
    """The body of a reply that worked."""
    return _json({"success": True, "data": data, "error": None})


def failure(error: ApiError) -> bytes:
    """The body of a refusal."""
    return _json({"success": False, "data": None, "error": {"code": error.code, "message": error.message}})


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
