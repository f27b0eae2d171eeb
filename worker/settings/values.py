"""How single settings are read from their text: each kind of value, with the error for what it cannot be.

A `ValueError` says what is wrong after the setting's name, and never quotes anything that may be a secret or a text.
"""

import re
import shlex
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from campaigns.calendar.localtime import is_zone
from campaigns.definition import Kind, Rate
from campaigns.definition.models import FrequencyCap, read_region
from campaigns.definition.windows import Window
from campaigns.money.amounts import MoneyAmount, parse_amount
from campaigns.policy import ALL_KINDS, parse_cap, parse_hours, parse_kinds
from campaigns.values.rates import parse_rate


def _rate_or_none(value: Any) -> Any:
    if isinstance(value, str):
        return None if value.strip().lower() in {"", "none"} else parse_rate(value)
    return value


OptionalRate = Annotated[Rate | None, NoDecode, BeforeValidator(_rate_or_none)]


MOST_SEGMENTS: Final = 10_000_000
"""The largest budget for a day or a month, as in a campaign file; also of people."""


def _budget_of(what: str) -> BeforeValidator:
    def read(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        text = value.strip().lower()
        if text in {"", "none"}:
            return None
        if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= MOST_SEGMENTS:
            raise ValueError(f"must be a whole number of {what} from 1 to {MOST_SEGMENTS}, or none")
        return int(text)

    return BeforeValidator(read)


OptionalSegments = Annotated[int | None, _budget_of("segments")]
OptionalPeople = Annotated[int | None, _budget_of("people")]


def _amount_or_none(value: Any) -> Any:
    if isinstance(value, str):
        return None if value.strip().lower() in {"", "none"} else parse_amount(value.strip())
    return value


OptionalAmount = Annotated[MoneyAmount | None, NoDecode, BeforeValidator(_amount_or_none)]


NOTHING: Final = "nothing"
"""Marks an error text with which a gateway answers a read that finds nothing."""

MEANINGS = frozenset({"account", "refused", "throttled", "too_big", NOTHING})
"""What a person may declare an error text to mean: never that texts were accepted or not sent, which needs proof."""


def _error_texts(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    meanings: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in value.split(","))):
        fingerprint, _, meaning = (part.strip().lower() for part in entry.partition("="))
        if not re.fullmatch("[0-9a-f]{12}", fingerprint) or meaning not in MEANINGS:
            # The entry is not quoted: somebody may have pasted the gateway's answer, with a text in it.
            raise ValueError(
                f"has an entry ({len(meanings) + 1}) that is not FINGERPRINT=MEANING, the fingerprint of 12 hex digits "
                "and one of " + ", ".join(sorted(MEANINGS))
            )
        meanings[fingerprint] = meaning
    return meanings


ErrorTexts = Annotated[dict[str, str], NoDecode, BeforeValidator(_error_texts)]


def checked_server(url: str) -> str:
    """Return a server's address unchanged. Raises ValueError without quoting it: it may hold a password.

    A password with an unescaped `@`, `/`, `?` or `#` is cut there, and its rest goes into error messages as a host or a
    port.
    """
    scheme, found, rest = url.partition("://")
    if not found or scheme.startswith("sqlite"):
        return url
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    if rest.count("@") > authority.count("@") or authority.count("@") > 1:
        raise ValueError("has a password with @, /, ? or #; write these as %40, %2F, %3F and %23")
    port = re.search(r":([^:\]]*)$", authority.rpartition("@")[2])
    if port and port[1] and not (re.fullmatch("[0-9]{1,5}", port[1]) and int(port[1]) <= 65_535):
        raise ValueError("has a port that is not a number up to 65535")
    return url


def _checked_secret(url: SecretStr) -> SecretStr:
    checked_server(url.get_secret_value())
    return url


ServerAddress = Annotated[str, AfterValidator(checked_server)]
SecretAddress = Annotated[SecretStr, AfterValidator(_checked_secret)]


def _words(value: Any) -> Any:
    return tuple(filter(None, (word.strip() for word in value.split(",")))) if isinstance(value, str) else value


StopWords = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]


def _kinds(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return parse_kinds(value) if value.strip() else frozenset()


def _kinds_to_approve(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    flags = {"": frozenset[Kind](), "false": frozenset[Kind](), "true": ALL_KINDS}
    text = value.strip().casefold()
    return flags[text] if text in flags else parse_kinds(text)


def _or_none(read: Callable[[str], Any]) -> BeforeValidator:
    """Read a text; an empty one, and `none`, is None."""

    def value_of(value: Any) -> Any:
        return value if not isinstance(value, str) else None if value.strip().lower() in {"", "none"} else read(value)

    return BeforeValidator(value_of)


Kinds = Annotated[frozenset[Kind], NoDecode, BeforeValidator(_kinds)]
KindsToApprove = Annotated[frozenset[Kind], NoDecode, BeforeValidator(_kinds_to_approve)]
OptionalHours = Annotated[Window | None, NoDecode, _or_none(parse_hours)]
OptionalCap = Annotated[FrequencyCap | None, NoDecode, _or_none(parse_cap)]


def _plain(value: str) -> str:
    if not value:
        return value
    from campaigns.message.plain import checked_plain  # with jinja2, regex and phonenumbers: 60 ms

    return checked_plain(value)


HelpAnswer = Annotated[str, AfterValidator(_plain)]


def _known_zone(name: str) -> str:
    if not is_zone(name):
        raise ValueError("is not a time zone; use a name such as Europe/Rome")
    return name


def _bare_region(value: Any) -> Any:
    return (value.strip().upper() or None) if isinstance(value, str) else value


def _known_region(name: str | None) -> str | None:
    return read_region(name) if name else None


ZoneName = Annotated[str, AfterValidator(_known_zone)]
Region = Annotated[str | None, BeforeValidator(_bare_region), AfterValidator(_known_region)]


def _email_addresses(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    addresses = tuple(filter(None, (part.strip() for part in value.split(","))))
    for address in addresses:
        if not re.fullmatch(r"[^@\s<>,;:\"\x00-\x1f]+@[^@\s<>,;:\"\x00-\x1f]+", address):
            raise ValueError(
                "contains something that is not an e-mail address; separate addresses with commas, without names"
            )
    return addresses


EmailAddresses = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_email_addresses)]


def _command_line(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return tuple(shlex.split(value))
    except ValueError:
        raise ValueError("has a quote that is not closed; write a program and its arguments as in a shell") from None


CommandLine = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_command_line)]


def _host_port(value: str) -> str:
    text = value.strip()
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})", text)
    if text and (match is None or int(match[2]) > 65_535):
        raise ValueError("must be host:port, such as 127.0.0.1:8080 (port 0: any free one), or empty")
    return text


HostPort = Annotated[str, AfterValidator(_host_port)]


Network = IPv4Network | IPv6Network


def _networks(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return tuple(ip_network(word) for word in _words(value))
    except ValueError:
        raise ValueError("must be addresses or networks separated by commas, such as 127.0.0.1,10.0.3.0/24") from None


Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)]


def _host_names(value: Any) -> Any:
    names = _words(value.lower()) if isinstance(value, str) else value
    for name in names:
        if not re.fullmatch(r"[a-z0-9_.-]+|\[[0-9a-f:.]+\]", name):
            raise ValueError("must be host names without scheme or port, separated by commas, such as desk.example.com")
    return names


HostNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_host_names)]


def _header_name(value: str) -> str:
    name = value.strip()
    if name and not re.fullmatch("[A-Za-z0-9-]+", name):
        raise ValueError("must be the name of a header, such as X-Forwarded-User")
    return name


HeaderName = Annotated[str, AfterValidator(_header_name)]
