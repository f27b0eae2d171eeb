"""One connection per request, which tracks how far it got, keeps a total deadline, and checks before the first byte.

Every request has its own connection: an idle connection that dies during a send leaves its outcome unknown. There is no
`httpx.Client` around it either: its cookie jar would send PHP's session cookie back, and PHP then serves one request of
a session at a time; its redirects, proxies from the environment and INFO log of URLs are not wanted either.
"""

import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import cast

import httpcore
import httpx

from campaigns.clock import Clock
from worker.gateway.errors import Aborted

Resolver = Callable[[str, int], Sequence[str]]
"""Maps a host name and port to the addresses to connect to, in the order to try them. Raises `OSError`."""

_SocketOptions = Iterable[tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]]


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

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        exchange = cast(Exchange, request.extensions["exchange"])
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        outgoing = httpcore.Request(request.method, url, headers=request.headers.raw, content=request.content)
        connection = httpcore.HTTPConnection(
            url.origin, self._ssl_context, network_backend=_Backend(exchange, self._resolve)
        )
        try:
            reply = connection.handle_request(outgoing)
            if exchange.take is not None:
                for part in cast(Iterable[bytes], reply.stream):
                    exchange.take(part)
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise as_httpx(error) from error
        finally:
            connection.close()
        exchange.phase = Phase.DONE
        return httpx.Response(reply.status, headers=_not_encoded(reply.headers))


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


def as_httpx(error: Exception) -> Exception:
    """Return the httpx exception with the name of httpcore's, or of its nearest base; otherwise the error itself."""
    for kind in type(error).__mro__:
        named = getattr(httpx, kind.__name__, None)
        if isinstance(named, type) and issubclass(named, httpx.TransportError):
            return named(str(error))
    return error


def _not_encoded(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    # We ask for no encoding. If a server compresses anyway, httpx must not unpack 64 MiB into 64 GiB.
    return [(name, value) for name, value in headers if name.lower() != b"content-encoding"]


class _Backend(httpcore.NetworkBackend):
    def __init__(self, exchange: Exchange, resolve: Resolver) -> None:
        self._exchange = exchange
        self._resolve = resolve

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002  httpcore's signature; the exchange has the times
        local_address: str | None = None,  # noqa: ARG002  httpcore's signature
        socket_options: _SocketOptions | None = None,  # noqa: ARG002  httpcore's signature
    ) -> httpcore.NetworkStream:
        failure: OSError = OSError("The name has no address.")
        with _named(httpcore.ConnectTimeout, httpcore.ConnectError):
            # One by one, because socket.create_connection gives every address of a name the whole timeout.
            for address in self._resolve(host, port):
                try:
                    seconds = self._exchange.allowed_seconds(self._exchange.timeouts.connect)
                    connected = socket.create_connection((address, port), seconds)
                except OSError as error:
                    failure = error
                    continue
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return _Stream(connected, self._exchange)
            raise failure


class _Stream(httpcore.NetworkStream):
    def __init__(self, connected: socket.socket, exchange: Exchange) -> None:
        self._socket = connected
        self._exchange = exchange

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002  httpcore's signature; the exchange has the times
    ) -> httpcore.NetworkStream:
        self._exchange.phase = Phase.TLS
        with _named(httpcore.ConnectTimeout, httpcore.ConnectError):
            try:
                self._socket.settimeout(self._exchange.allowed_seconds(self._exchange.timeouts.connect))
                wrapped = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
            except BaseException:
                self.close()
                raise
        return _Stream(wrapped, self._exchange)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002  httpcore's signature
        exchange = self._exchange
        if exchange.phase < Phase.WRITE:
            exchange.begin_writing()
        rest = memoryview(buffer)
        with _named(httpcore.WriteTimeout, httpcore.WriteError):
            while rest:
                self._socket.settimeout(exchange.allowed_seconds(exchange.timeouts.write))
                # Counted before the bytes are handed over: a count of 0 is proof even if `send` fails half-way.
                exchange.bytes_written += len(rest)
                written = self._socket.send(rest)
                rest = rest[written:]
                exchange.bytes_written -= len(rest)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002  httpcore's signature
        exchange = self._exchange
        exchange.phase = max(exchange.phase, Phase.WAIT)
        with _named(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(exchange.allowed_seconds(exchange.timeouts.read))
            received = self._socket.recv(max_bytes)
        if received:
            exchange.phase = Phase.READ
        return received

    def close(self) -> None:
        self._socket.close()


@contextmanager
def _named(timeout: type[Exception], failure: type[Exception]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise timeout(str(error)) from error
    except (OSError, UnicodeError) as error:  # a name too long for DNS raises UnicodeError
        raise failure(str(error)) from error
