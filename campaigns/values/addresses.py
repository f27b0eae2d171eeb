"""The address of a webhook: `https://example.com/hook`."""

import ipaddress
import re
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

import idna

from campaigns.values.scalars import Scalar, refuse

LONGEST: Final = 2_048
"""The most characters of an address: what servers and proxies are known to accept."""

PRIVATE: Final = "its address is private, and CAMPAIGNS_ALLOW_PRIVATE_WEBHOOKS is not set"
"""Why an address that works must not be called."""

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_NUMERIC: Final = re.compile("[0-9]+|0x[0-9a-f]*")
_LABEL: Final = re.compile("[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


def address_problem(address: str, *, allow_private: bool) -> str:
    """What is wrong with a webhook's address as it is written; empty if nothing is. Nothing is looked up."""
    parts = web_address(address)
    if parts is None:
        return "it is not an address"
    if parts.scheme.lower() != "https" and not (parts.scheme.lower() == "http" and allow_private):
        return "it must begin with https://"
    return "" if allow_private or not _is_private(parts.hostname or "") else PRIVATE


def _is_private(host: str) -> bool:
    """Whether a host is so by its name (RFC 6761: `localhost` is this machine) or as an IP address."""
    if host.removesuffix(".").rpartition(".")[2] == "localhost":
        return True
    try:
        return not is_public(host)
    except ValueError:
        return False  # a name: what it stands for is judged when it is called


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet, also where it carries another one inside."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)))
        inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip.is_site_local or any(carried is not None and not carried.is_global for carried in inner):
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


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
