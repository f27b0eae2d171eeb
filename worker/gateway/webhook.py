"""The gateway's webhook: whether a call comes from the gateway, and what it says."""

import base64
import hmac
from collections.abc import Iterable

from pydantic import SecretStr

from worker.gateway.results import Message
from worker.gateway.wire import parse_json, parse_messages
from worker.settings.files import problem_of_secret


def signature(field: bytes | str, key: SecretStr) -> str:
    """Return the expected `X-SG-SIGNATURE`: base64 of HMAC-SHA256 over the decoded `messages` field, byte for byte."""
    content = field.encode("utf-8", "surrogateescape") if isinstance(field, str) else field
    return base64.b64encode(hmac.digest(key.get_secret_value().encode(), content, "sha256")).decode("ascii")


def verify(field: bytes | str, header: str, keys: Iterable[SecretStr]) -> bool:
    """Return whether one of the keys signed the field (several while a key is being replaced). Constant time per key.

    A key that everybody knows, such as an empty one, signs nothing.
    """
    given = header.strip().encode("utf-8", "replace")
    fits = False
    for key in keys:  # check every key, even after a match
        fits |= (not problem_of_secret(key.get_secret_value())) & hmac.compare_digest(
            signature(field, key).encode(), given
        )
    return fits


def received_messages(field: bytes | str) -> tuple[Message, ...] | None:
    """Return the messages in the field, or None if they cannot be read. Calls can be replayed: store each id once."""
    return parse_messages(parse_json(field))
