"""Ports of 127.0.0.1, the only address that a sandbox ever listens on."""

import socket
import struct
from typing import Final

from worker.sandbox.errors import SandboxError

HOST: Final = "127.0.0.1"


def bound(port: int) -> socket.socket:
    """Return a socket on a port (0: any free one) that does not listen yet. Raises `SandboxError` if it is taken."""
    # The protocol is named because asyncio sets TCP_NODELAY only then: without it, every keep-alive request waits 44 ms
    # for the client's delayed ACK (measured).
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # A sandbox that restarts at once on its old port must not wait for the system to forget old connections.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise SandboxError(
            f"Port {port} of {HOST} cannot be used ({error.strerror}): choose another one, or 0 for any."
        ) from error
    return listener


def port_of(listener: socket.socket) -> int:
    """Return the port that a socket has on this machine."""
    port: int = listener.getsockname()[1]
    return port


def reset_on_close(connection: socket.socket) -> None:
    """Make this connection end with RST: data on its way is discarded, and the client sees an error."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
