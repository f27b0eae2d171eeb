"""The address of a webhook: `https://example.com/hook`."""

import ipaddress
import re
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

import idna

from campaigns.values.scalars import Scalar, refuse

LONGEST: Final = 2_048
"""The most characters of an address: what servers and proxies are known to accept."""

_NUMERIC: Final = re.compile("[0-9]+|0x[0-9a-f]*")
_LABEL: Final = re.compile("[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


def web_address(text: str) -> SplitResult | None:
    """Return the parts of an address with a host; None for anything else. Nothing is resolved."""
    try:
        parts = urlsplit(text)
        is_usable = parts.scheme and parts.port != 0 and _is_host(parts)
    except ValueError:  # a bad port or bracket; IDNA's errors are ValueErrors, too
        return None
    return parts if is_usable and text.isprintable() and " " not in text and len(text) <= LONGEST else None


def _is_host(parts: SplitResult) -> bool:
    """Return whether the host is a name or an IP address in its usual spelling. May raise ValueError if it is not.

    Other forms that resolvers accept (`0177.0.0.1`, `127.1`, digits in circles) only serve to hide where a call goes.
    """
    host = parts.hostname or ""
    if "[" in parts.netloc:
        return bool(ipaddress.IPv6Address(host)) and "%" not in host
    labels = host.removesuffix(".").split(".")
    if not host.isascii() or any(label.startswith("xn--") for label in labels):
        labels = idna.encode(host.removesuffix(".")).decode().split(".")  # IDNA has four kinds of full stops
    if _NUMERIC.fullmatch(labels[-1]):
        return bool(ipaddress.IPv4Address(host))
    return len(host) <= 253 and all(map(_LABEL.fullmatch, labels))


def parse_address(text: str) -> str:
    """Return the address as written. Raises ValueError, which does not quote it: it may contain a password."""
    if not text.lower().startswith(("https://", "http://")):
        refuse("must be an address that begins with https://", "write one such as https://example.com/hook")
    if web_address(text) is None:
        refuse("is not an address that can be called", "write the host's name, or its IP address in the usual way")
    return text


WebAddress = Annotated[str, Scalar(str, parse_address, str, {"type": "string", "pattern": "^https?://[^ ]+$"})]
