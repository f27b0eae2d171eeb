"""Who calls, and from where: a token, a cookie, or the header of a trusted proxy.

Nothing here depends on the address that is called. A name in `Host` decides only whether a call is answered at all.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response

from scheduler.actions.access.callers import by_name, by_session, by_token
from scheduler.actions.acting import Actor
from worker.runtime import Runtime
from worker.settings.settings import Settings

BEARER: Final = "bearer"

COOKIE: Final = "campaigns_session"
SECURE_COOKIE: Final = f"__Host-{COOKIE}"
"""Behind TLS: browsers then take it from this host alone, never from a neighbour of the same domain."""

READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods that change nothing."""

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})

Address = IPv4Address | IPv6Address


class CrossSite(Exception):
    """A browser would change something on behalf of a page that is not ours."""

    def __init__(self) -> None:
        super().__init__(
            "browsers can change something only from this site's own pages, over HTTPS or on this machine; "
            "programs send a token"
        )


def authenticate(connection: HTTPConnection) -> Actor | None:
    """Return who makes this call; None: nobody who is known. The app's state has the `runtime`.

    Raises `CrossSite` if the call would change something, is made by a browser, and not from a page of this site: a
    browser sends the cookie, or a proxy adds the user, whoever made it call.
    """
    runtime: Runtime = connection.app.state.runtime
    store, now, origin = runtime.store, runtime.clock.now(), origin_of(connection)
    if "Authorization" in connection.headers:
        scheme, _, secret = connection.headers["Authorization"].partition(" ")
        return by_token(store, secret.strip(), origin=origin, now=now) if scheme.lower() == BEARER else None
    named = _named_by_proxy(connection, runtime.settings)
    if named is not None:
        actor = by_name(store, named, origin=origin)
    else:
        actor = by_session(store, cookie_of(connection), origin=origin, now=now)
    if actor is not None and connection.scope["method"] not in READS and not is_same_site(connection):
        raise CrossSite
    return actor


def is_same_site(connection: HTTPConnection) -> bool:
    """Return whether a browser says that a page of this site makes the call."""
    return connection.headers.getlist("Sec-Fetch-Site") == ["same-origin"]


def _named_by_proxy(connection: HTTPConnection, settings: Settings) -> str | None:
    """Return the name that a trusted proxy gives (empty: two of them); None: there is no such proxy, or no name."""
    if not settings.trusted_user_header or not _is_trusted(peer_of(connection), settings):
        return None
    names = connection.headers.getlist(settings.trusted_user_header)
    return None if not names else names[0] if len(names) == 1 else ""


def peer_of(connection: HTTPConnection) -> Address | None:
    """Return the address at the other end of the connection, which no header can change."""
    return _address(connection.client.host) if connection.client else None


def origin_of(connection: HTTPConnection) -> str:
    """Return the address that a call comes from: of the connection, or what a trusted proxy says."""
    settings, peer = connection.app.state.runtime.settings, peer_of(connection)
    if _is_trusted(peer, settings):
        hops = ",".join(connection.headers.getlist("X-Forwarded-For")).split(",")
        for hop in reversed(hops[-20:]):
            address = _address(hop.strip())
            if address is None:
                break
            if not _is_trusted(address, settings):
                return str(address)
    return str(peer or "")


def neighbourhood(origin: str) -> str:
    """Return what stands for an address where calls are counted: of IPv6, whose users have billions, the network."""
    address = _address(origin)
    return str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else origin


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    address = _address(host)
    return address is not None and address.is_loopback


def is_known_host(connection: HTTPConnection) -> bool:
    """Return whether the name in `Host` is one of ours.

    Otherwise a page elsewhere could give its own name our address, and a browser on this machine would let it in. The
    address itself is ours, too: no page elsewhere has it.
    """
    hosts = connection.headers.getlist("Host")
    if len(hosts) != 1:
        return False
    name = hosts[0].lower()
    if not name.endswith("]"):  # of an IPv6 address without a port
        name = name.rpartition(":")[0] or name
    settings, here = connection.app.state.runtime.settings, (connection.scope.get("server") or ("",))[0] or ""
    if name in settings.http_hosts or (is_loopback(here) and name in LOOPBACK_NAMES):
        return True
    address = _address(name.strip("[]"))
    return address is not None and address == _address(here)


def is_secure(connection: HTTPConnection) -> bool:
    """Return whether the browser came by TLS, as a trusted proxy says, or the browser itself.

    A browser says it only where a form is sent. Somebody who lies about it gets a cookie that is of no use to them.
    """
    is_trusted = _is_trusted(peer_of(connection), connection.app.state.runtime.settings)
    scheme = connection.headers.get("X-Forwarded-Proto", "") if is_trusted else ""
    return scheme.lower() == "https" or connection.headers.get("Origin", "").startswith("https://")


def cookie_of(connection: HTTPConnection) -> str:
    """Return the secret in the session's cookie; empty: there is none."""
    return connection.cookies.get(SECURE_COOKIE) or connection.cookies.get(COOKIE) or ""


def set_cookie(response: Response, secret: str, *, secure: bool) -> None:
    """Give the browser a session; an empty secret takes it back. It goes with the browser, and the server ends it."""
    for name, is_secure_one in ((SECURE_COOKIE, True), (COOKIE, False)):
        if secret and secure is is_secure_one:
            response.set_cookie(name, secret, path="/", httponly=True, samesite="strict", secure=is_secure_one)
        else:  # an older one of the other kind would go on counting
            response.delete_cookie(name, path="/", httponly=True, samesite="strict", secure=is_secure_one)


def _is_trusted(address: Address | None, settings: Settings) -> bool:
    return address is not None and any(address in network for network in settings.trusted_proxies)


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
