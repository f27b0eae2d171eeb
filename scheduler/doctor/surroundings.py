"""The surroundings of the product: its Python, who may read its secrets, what crosses a network unencrypted."""

import ipaddress
import os
import pyexpat
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from scheduler.doctor.findings import Area, Finding, ok, warning
from worker.settings.settings import PREFIX, Settings
from worker.settings.unknown import unknown_settings

PYTHON: Final = (3, 11, 10)
"""From 3.11.9 on, CSV quotes a cell with a lone carriage return; from 3.11.10 on, the standard library knows the
private addresses of the registry."""

EXPAT: Final = (2, 6, 0)
"""Before it, one attribute of some megabytes in a workbook takes a minute: the time is quadratic."""

SECRETS: Final = ("api_key_file", "database_url_file", "read_database_url_file", "redis_url_file",
                  "webhook_secret_file", "webhook_keys_file", "smtp_url_file")  # fmt: skip
OTHERS: Final = stat.S_IRGRP | stat.S_IROTH


def check_surroundings(settings: Settings, gateway_url: str) -> Iterator[Finding]:
    """Report what an operator would want to know before an attacker does. None of it stops anything."""
    yield from check_versions(sys.version_info[:3], pyexpat.version_info)
    yield from check_names()
    yield from check_secrets(settings, Path(".env"))
    yield from check_transport(settings, gateway_url)


def check_versions(python: tuple[int, int, int], expat: tuple[int, int, int]) -> Iterator[Finding]:
    """Report known faults of what is installed."""
    old = [
        f"{name} {'.'.join(map(str, found))} has known vulnerabilities, fixed in {'.'.join(map(str, wanted))}"
        for name, found, wanted in (("Python", python, PYTHON), ("expat", expat, EXPAT))
        if found < wanted
    ]
    if old:
        yield warning(Area.MACHINE, ", and ".join(old), "update it")


def check_names() -> Iterator[Finding]:
    """Report names that look like settings but are not."""
    if unknown := unknown_settings():
        yield warning(Area.SETTINGS, unknown, "correct the name; if it belongs to another program, leave it")


def check_secrets(settings: Settings, env_file: Path) -> Iterator[Finding]:
    """Report files with a secret that others on this machine may read."""
    files = [env_file, *(path for name in SECRETS if (path := getattr(settings, name)) is not None)]
    for path in files:
        try:
            mode = path.stat().st_mode
        except OSError:
            continue  # whoever needs it reports that it cannot be read
        if mode & OTHERS and not os.environ.get("KUBERNETES_SERVICE_HOST"):  # a mounted secret: has a group of its own
            yield warning(Area.SETTINGS, f"{path} holds a secret, and others can read it", f"run: chmod 600 {path}")


def check_transport(settings: Settings, gateway_url: str) -> Iterator[Finding]:
    """Report numbers, texts and passwords that leave this machine without encryption."""
    urls = {name: getattr(settings, name) for name in ("database_url", "read_database_url", "redis_url")}
    urls = {"gateway_url": gateway_url, **urls}
    clear = [name for name, url in urls.items() if not _is_encrypted(urlsplit(url))]
    for name in clear:
        setting = PREFIX + name.upper()
        says = f"traffic to {setting} is not encrypted, or the server is not verified"
        yield warning(Area.SETTINGS, says, _ADVICE[name])
    if not clear:
        yield ok(Area.SETTINGS, "; ".join(_safe_words(name, url) for name, url in urls.items() if url))


def _safe_words(name: str, url: str) -> str:
    """Return why nobody can read what goes there."""
    host = urlsplit(url).hostname
    return f"traffic to {_NAMES[name]} {'stays on this machine' if not host or is_local(host) else 'is encrypted'}"


_NAMES: Final = {
    "gateway_url": "the gateway",
    "database_url": "the database",
    "read_database_url": "its replica",
    "redis_url": "Redis",
}


_VERIFY: Final = "add ?sslmode=verify-full&sslrootcert=..., or use a network with only these machines on it"
_ADVICE: Final = {
    "gateway_url": "use https: numbers, texts and the API key can be read on the way",
    "redis_url": "use rediss://, or a network with only these machines on it: the password is sent unencrypted",
    "database_url": _VERIFY,
    "read_database_url": _VERIFY,
}


def _is_encrypted(parts: SplitResult) -> bool:
    """Return whether it stays on this machine, or is encrypted for a server whose certificate is checked."""
    if not parts.hostname or is_local(parts.hostname) or parts.scheme in {"https", "rediss"}:
        return True
    return parts.scheme.startswith("postgresql") and parse_qs(parts.query).get("sslmode") == ["verify-full"]


def is_local(host: str) -> bool:
    """Return whether a host is this machine, by its name alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
