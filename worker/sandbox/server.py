"""The sandbox on a port of 127.0.0.1."""

import contextlib
import gc
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn

from campaigns.clock import SystemClock
from worker.sandbox.app import SandboxApp
from worker.sandbox.errors import SandboxError
from worker.sandbox.faults import Fault, NoFault
from worker.sandbox.options import SandboxOptions

HOST: Final = "127.0.0.1"


def serve(options: SandboxOptions, *, on_ready: Callable[[str], None], fault: Fault | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then return.

    `on_ready` gets the URL once connections are accepted. The options need a key (`SandboxOptions.with_key`).
    Raises `SandboxError` when the port is taken or the ledger cannot be used.
    """
    # A million messages are a million tuples that never go away: with Python's default of looking through everything
    # again and again, accepting 100 takes 1.9 ms instead of 1.2 ms once 300,000 are stored.
    gc.set_threshold(50_000, 20, 100)
    with _listening(options.port) as listener:
        app = SandboxApp(options, clock=SystemClock(), fault=fault or NoFault())
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            loop="asyncio",
            lifespan="off",
            interface="asgi3",
            log_level="error",
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
        try:
            with _ending_quietly():
                _Server(config, lambda: on_ready(f"http://{HOST}:{listener.getsockname()[1]}")).run([listener])
        finally:
            app.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


@contextlib.contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    # The protocol is named because asyncio sets TCP_NODELAY only then: without it, every keep-alive request waits 44 ms
    # for the client's delayed ACK (measured).
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        # A sandbox that is restarted at once on its old port must not wait for the system to forget old connections.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise SandboxError(
                f"Port {port} of {HOST} cannot be used ({error.strerror}): choose another one, or 0 for any."
            ) from error
        yield listener


@contextlib.contextmanager
def _ending_quietly() -> Iterator[None]:
    """uvicorn raises the signal that ended it once more after it has stopped; here that end was asked for."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
