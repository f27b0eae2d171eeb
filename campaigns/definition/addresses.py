"""The address of a webhook: `https://example.com/hook`."""

from typing import Annotated
from urllib.parse import urlsplit

from campaigns.definition.scalars import Scalar, refuse


def parse_address(text: str) -> str:
    """The address as it is written, else ValueError, which does not quote it: it may hold a password."""
    hint = "write one such as https://example.com/hook"
    try:
        parts = urlsplit(text)
        is_usable = parts.scheme.lower() in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or not text.isprintable() or " " in text:
        refuse("must be an address that begins with https://", hint)
    return text


WebAddress = Annotated[str, Scalar(str, parse_address, str, {"type": "string", "pattern": "^https?://[^ ]+$"})]
