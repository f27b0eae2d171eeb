"""One connection per request, which tracks how far it got, keeps a total deadline, and checks before the first byte.

Every request has its own connection: an idle connection that dies during a send leaves its outcome unknown. There is no
`httpx.Client` around it either: its cookie jar would send PHP's session cookie back, and PHP then serves one request of
a session at a time; its redirects, proxies from the environment and INFO log of URLs are not wanted either.
"""

import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import Final, cast

import httptools
import httpx

from campaigns.clock import Clock
from worker.gateway.errors import Aborted

Resolver = Callable[[str, int], Sequence[str]]
"""Maps a host name and port to the addresses to connect to, in the order to try them. Raises `OSError`."""

_PORTS: Final = {"http": 80, "https": 443}
_READ_BYTES: Final = 65_536
_NO_BODY: Final = httpx.ByteStream(b"")
_FINAL: Final = 200
"""The lowest status of a reply; 100 and the like come before one."""
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
"""Headers that say where the body ends. Without one, it ends with the connection."""
_MOST_BESIDE_BODY: Final = 131_072
"""Bytes: the parser keeps a header until it is whole."""


class Phase(IntEnum):
    """How far a request got."""

    CONNECT = 0
    TLS = 1
    WRITE = 2  # from here on the gateway may have it
    WAIT = 3  # everything is written
    READ = 4  # the reply has begun
    DONE = 5


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits for each operation, and for all of them together; `total` stays below the 120 s lease of a batch."""

    connect: timedelta = timedelta(seconds=5)
    write: timedelta = timedelta(seconds=20)
    read: timedelta = timedelta(seconds=60)
    total: timedelta = timedelta(seconds=90)


class Exchange:
    """One request on its way. `bytes_written` counts bytes of HTTP, not of TLS; while it is 0, nothing was sent.

    `deadline` is a moment of `clock.elapsed_seconds()`. `before_first_byte` runs once, after connecting, and may raise
    Aborted; anything else it raises becomes Aborted. `take` is passed the body of the reply as it arrives, and may
    refuse it with an httpx exception; without `take` the body is not read.
    """

    def __init__(
        self,
        clock: Clock,
        timeouts: Timeouts,
        deadline: float,
        before_first_byte: Callable[[], None] | None = None,
        take: Callable[[bytes], None] | None = None,
    ) -> None:
        self.timeouts = timeouts
        self.take = take
        self.phase = Phase.CONNECT
        self.bytes_written = 0
        self.check_seconds = 0.0  # how long `before_first_byte` took, which may wait for its slot
        self._clock = clock
        self._deadline = deadline
        self._before_first_byte = before_first_byte

    def begin_writing(self) -> None:
        """Run the last check. Raises Aborted."""
        if self._before_first_byte is not None:
            began = self._clock.elapsed_seconds()
            try:
                self._before_first_byte()
            except Aborted:
                raise
            except Exception as error:
                raise Aborted(f"The last check before sending failed ({type(error).__name__}).") from error
            finally:
                self.check_seconds = self._clock.elapsed_seconds() - began
        self.phase = Phase.WRITE

    def allowed_seconds(self, own: timedelta) -> float:
        """Return how long an operation may take. Raises TimeoutError once the whole request has taken too long."""
        remaining = self._deadline - self._clock.elapsed_seconds()
        if remaining <= 0:
            raise TimeoutError("The request as a whole took too long.")
        return min(own.total_seconds(), remaining)


def addresses_of(host: str, port: int) -> list[str]:
    """Return every address of a name. Raises `OSError`."""
    return [str(address[0]) for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class DirectTransport(httpx.BaseTransport):
    """Posts over a fresh connection. Every request carries its `Exchange` in `extensions["exchange"]`.

    `resolve` is called once per request, and only addresses that it returns are connected to. The body goes to the
    exchange and is not in the response. Raises httpx's exceptions, and Aborted from the exchange's check.
    """

    def __init__(self, ssl_context: ssl.SSLContext | None, *, resolve: Resolver = addresses_of) -> None:
        self._ssl_context = ssl_context
        self._resolve = resolve
        if ssl_context is not None:
            ssl_context.set_alpn_protocols(["http/1.1"])

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        exchange = cast(Exchange, request.extensions["exchange"])
        head = _head_of(request)
        reply = _Reply(exchange.take)
        connected = self._connect(exchange, request.url)
        try:
            _write(connected, exchange, head + request.content)
            while not reply.is_read:
                reply.feed(_read(connected, exchange))
        finally:
            connected.close()
        exchange.phase = Phase.DONE
        return httpx.Response(reply.status, headers=_not_encoded(reply.headers), stream=_NO_BODY)

    def _connect(self, exchange: Exchange, url: httpx.URL) -> socket.socket:
        host = url.raw_host.decode("ascii")
        failure: OSError = OSError("The name has no address.")
        with _named(httpx.ConnectTimeout, httpx.ConnectError):
            # One by one, because socket.create_connection gives every address of a name the whole timeout.
            for address in self._resolve(host, url.port or _PORTS[url.scheme]):
                try:
                    seconds = exchange.allowed_seconds(exchange.timeouts.connect)
                    connected = socket.create_connection((address, url.port or _PORTS[url.scheme]), seconds)
                except OSError as error:
                    failure = error
                    continue
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connected if url.scheme == "http" else self._secured(connected, exchange, host)
            raise failure

    def _secured(self, connected: socket.socket, exchange: Exchange, host: str) -> socket.socket:
        exchange.phase = Phase.TLS
        context = self._ssl_context or ssl.create_default_context()
        try:
            connected.settimeout(exchange.allowed_seconds(exchange.timeouts.connect))
            return context.wrap_socket(connected, server_hostname=host)
        except BaseException:
            connected.close()
            raise


class CheckedTransport(httpx.BaseTransport):
    """Any other transport, with the same check before the first byte. It counts as written once it has answered."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        exchange = cast(Exchange, request.extensions["exchange"])
        exchange.begin_writing()
        response = self._inner.handle_request(request)
        if exchange.take is not None:
            exchange.take(response.read())
        exchange.bytes_written = len(request.content)
        exchange.phase = Phase.DONE
        return response

    def close(self) -> None:
        self._inner.close()


class _Reply:
    """A reply as it arrives, read by llhttp. `status` and `headers` are known once `is_read`."""

    def __init__(self, take: Callable[[bytes], None] | None) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_read = False  # all of it, or its head if nobody takes the body
        self._take = take
        self._has_head = False
        self._body: list[bytes] = []
        self._beside_body = 0  # bytes since the last one of the body
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, received: bytes) -> None:
        """Read on; nothing received: the server has closed the connection. Raises httpx.RemoteProtocolError."""
        if not received:
            self._end()
            return
        try:
            self._parser.feed_data(received)
        except httptools.HttpParserUpgrade:
            raise httpx.RemoteProtocolError("The server answered in another protocol.") from None
        except httptools.HttpParserError as error:
            if not self.is_read:  # what follows a whole reply is nobody's
                self._give()
                raise httpx.RemoteProtocolError(f"The reply is not HTTP ({error}).") from None
        self._beside_body = 0 if self._body else self._beside_body + len(received)
        self._give()
        if self._beside_body > _MOST_BESIDE_BODY:
            raise httpx.RemoteProtocolError("The head of the reply, or what stands between its parts, is too long.")

    def _give(self) -> None:
        # Not in the parser's callback, which replaces whatever `take` raises.
        body, self._body = self._body, []
        if self._take is not None:
            for part in body:
                self._take(part)

    def _end(self) -> None:
        if not self._has_head:
            raise httpx.RemoteProtocolError("The server closed the connection without a reply.")
        if any(name.lower() in _FRAMING for name, _ in self.headers):
            raise httpx.RemoteProtocolError("The server closed the connection in the middle of its reply.")
        self.is_read = True

    # Called by the parser, also for whatever follows the reply.

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_head:  # no trailer
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._has_head:
            return
        self.status = self._parser.get_status_code()
        self._has_head = self.status >= _FINAL
        if not self._has_head:
            self.headers.clear()
        self.is_read = self._has_head and self._take is None

    def on_body(self, part: bytes) -> None:
        if not self.is_read:
            self._body.append(part)

    def on_message_complete(self) -> None:
        self.is_read = self._has_head


def _head_of(request: httpx.Request) -> bytes:
    lines = [b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%s: %s" % header for header in request.headers.raw]
    if any(b"\r" in line or b"\n" in line for line in lines):
        raise httpx.LocalProtocolError("A header of the request contains a line break.")
    return b"\r\n".join([*lines, b"", b""])


def _write(connected: socket.socket, exchange: Exchange, request: bytes) -> None:
    """Write the request after its last check. A server that reads no more may still have answered: no error."""
    exchange.begin_writing()
    rest = memoryview(request)
    with suppress(httpx.WriteError), _named(httpx.WriteTimeout, httpx.WriteError):
        while rest:
            connected.settimeout(exchange.allowed_seconds(exchange.timeouts.write))
            # Counted before the bytes are handed over: a count of 0 is proof even if `send` fails half-way.
            exchange.bytes_written += len(rest)
            written = connected.send(rest)
            rest = rest[written:]
            exchange.bytes_written -= len(rest)


def _read(connected: socket.socket, exchange: Exchange) -> bytes:
    exchange.phase = max(exchange.phase, Phase.WAIT)
    with _named(httpx.ReadTimeout, httpx.ReadError):
        connected.settimeout(exchange.allowed_seconds(exchange.timeouts.read))
        received = connected.recv(_READ_BYTES)
    if received:
        exchange.phase = Phase.READ
    return received


def _not_encoded(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    # We ask for no encoding. If a server compresses anyway, httpx must not unpack 64 MiB into 64 GiB.
    return [(name, value) for name, value in headers if name.lower() != b"content-encoding"]


@contextmanager
def _named(timeout: type[Exception], failure: type[Exception]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise timeout(str(error)) from error
    except (OSError, UnicodeError) as error:  # a name too long for DNS raises UnicodeError
        raise failure(str(error)) from error
