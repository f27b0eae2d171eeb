"""A TCP server that misbehaves on demand: each connection is handled by the next script, byte by byte."""

import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

GIVE_UP_SECONDS: Final = 10.0

Script = Callable[["Connection"], None]


class Connection:
    """One accepted connection, with what arrived over it."""

    def __init__(self, accepted: socket.socket, stopping: threading.Event) -> None:
        accepted.settimeout(GIVE_UP_SECONDS)
        self.received = b""
        self._socket = accepted
        self._stopping = stopping

    def read_request(self) -> None:
        """Wait for the head and the whole body of an HTTP request."""
        while b"\r\n\r\n" not in self.received:
            self._receive()
        head, _, body = self.received.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        missing = int(lengths[0].partition(b":")[2]) - len(body)
        wanted = len(self.received) + missing
        while len(self.received) < wanted:
            self._receive()

    def read_to_the_end(self) -> None:
        """Wait until the client closes."""
        while part := self._socket.recv(65536):
            self.received += part

    def write(self, content: bytes) -> None:
        self._socket.sendall(content)

    def drip(self, content: bytes, pause_seconds: float) -> None:
        """Send one byte at a time, until the client or the test has had enough."""
        try:
            for byte in content:
                self._socket.sendall(bytes([byte]))
                if self._stopping.wait(pause_seconds):
                    return
        except OSError:
            return  # the client gave up, as it should

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self._socket.close()

    def _receive(self) -> None:
        part = self._socket.recv(65536)
        if not part:
            raise ConnectionError("The client closed in the middle of its request.")
        self.received += part


class TcpServer:
    """Listens on a free port of the loopback while its `with` block lasts; `received` has one entry per connection.

    Leaving the block waits for the running script, so `received` is complete afterwards. A script that failed raises
    its error there.
    """

    def __init__(self, *scripts: Script) -> None:
        self._scripts = scripts
        self._connections: list[Connection] = []
        self._stopping = threading.Event()
        self._failures: list[Exception] = []
        self._waker_port = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, name="tcp-server", daemon=True)

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def received(self) -> list[bytes]:
        return [connection.received for connection in self._connections]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stopping.set()
        self._wake()
        self._thread.join(GIVE_UP_SECONDS)
        self._listener.close()
        if self._failures and error is None:
            raise self._failures[0]

    def _wake(self) -> None:
        # Closing a listener does not wake a thread that waits in accept(); a connection does. It is recognized by its
        # port, so that connections which the test made earlier, and which nobody has accepted yet, are still handled.
        with socket.socket() as waker:
            waker.bind(("127.0.0.1", 0))
            self._waker_port = waker.getsockname()[1]
            waker.settimeout(GIVE_UP_SECONDS)
            waker.connect(("127.0.0.1", self.port))

    def _serve(self) -> None:
        for script in self._scripts:
            accepted, (_, port) = self._listener.accept()
            if port == self._waker_port:
                accepted.close()
                return
            connection = Connection(accepted, self._stopping)
            self._connections.append(connection)
            try:
                script(connection)
            except Exception as error:
                self._failures.append(error)
            finally:
                connection.close()


def unused_port() -> int:
    """A port of the loopback on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
