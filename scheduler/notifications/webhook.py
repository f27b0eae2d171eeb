"""Calls a webhook: one signed POST to an allowed address; no redirect is followed and no response body is read."""

import base64
import json
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import httpx
from pydantic import SecretStr

from campaigns.clock import Clock, SystemClock
from campaigns.values.addresses import PRIVATE, address_problem, is_public
from scheduler.notifications.outcome import DeliveryResult
from scheduler.notifications.signing import signed_headers
from worker.certificates import certificate_problem, trusting
from worker.gateway.connection import DirectTransport, Exchange, Timeouts, addresses_of

TIMEOUT: Final = timedelta(seconds=10)
"""Name lookup, connection, request and response headers together."""

ALIVE: Final = frozenset(range(400, 500)) - {401, 403, 404, 408, 410, 425, 429}
"""Statuses of a target that works but rejects this one call: its other notices need not wait."""


class ForbiddenAddressError(OSError):
    """The address must not be called."""


@dataclass(frozen=True, slots=True)
class Webhooks:
    """How webhooks are called. `secret` empty: calls are not signed. `ca_file`: more authorities to trust."""

    secret: SecretStr
    allow_private: bool = False
    ca_file: Path | None = None
    clock: Clock = field(default_factory=SystemClock)
    timeout: timedelta = TIMEOUT

    def call(self, address: str, event: str, body: dict[str, Any], *, timestamp: int) -> DeliveryResult:
        """POST the body, which has an `id`, as JSON. `timestamp`: seconds since 1970, part of the signature.

        Success is any 2xx status. Raises `SettingsError` for a `ca_file` or secret that cannot be used.
        """
        problem = address_problem(address, allow_private=self.allow_private)
        if problem:
            return DeliveryResult(problem, is_away=True)
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "campaigns", "X-Campaigns-Event": event}
        headers |= signed_headers(str(body["id"]), content, timestamp, self.secret)
        exchange = Exchange(
            self.clock,
            Timeouts(self.timeout, self.timeout, self.timeout, self.timeout),
            self.clock.elapsed_seconds() + self.timeout.total_seconds(),
        )
        try:
            return self._post(address, headers, content, exchange)
        except httpx.TimeoutException:
            return DeliveryResult(f"no answer within {self.timeout.total_seconds():g} s", is_away=True)
        except httpx.TransportError as error:
            return DeliveryResult(_reason(error), is_away=True)
        except (httpx.InvalidURL, ValueError):  # a spelling that `web_address` accepts and httpx does not
            return DeliveryResult("it is not an address", is_away=True)

    def _post(self, address: str, headers: dict[str, str], content: bytes, exchange: Exchange) -> DeliveryResult:
        parts = urlsplit(address)
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            headers = headers | {"Authorization": f"Basic {base64.b64encode(login).decode()}"}
        context = trusting(self.ca_file) if parts.scheme.lower() == "https" else None
        transport = DirectTransport(context, resolve=self._resolve)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
        request = httpx.Request("POST", bare, headers=headers, content=content, extensions={"exchange": exchange})
        status = transport.handle_request(request).status_code
        if 200 <= status < 300:
            return DeliveryResult(status=status)
        return DeliveryResult(f"HTTP {status}", is_away=status not in ALIVE, status=status)

    def _resolve(self, host: str, port: int) -> list[str]:
        # The name is resolved once, the address is checked, and that address is used: a later change of the name has no
        # effect.
        found = addresses_of(host, port)
        allowed = [address for address in found if self.allow_private or is_public(address)]
        if not allowed:
            raise ForbiddenAddressError(PRIVATE)
        return allowed


def place(address: str) -> str:
    """Return host and port for a log, without login, path and query."""
    try:
        return urlsplit(address).netloc.rpartition("@")[2] or "?"
    except ValueError:
        return "?"


def _reason(error: httpx.TransportError) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ForbiddenAddressError):
            return str(cause)
        cause = cause.__cause__
    refused = certificate_problem(error)
    return f"its certificate is not trusted ({refused})" if refused else type(error).__name__
