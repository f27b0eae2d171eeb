"""The sandbox on a port of 127.0.0.1."""

import contextlib
import gc
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from campaigns.clock import SystemClock
from worker.sandbox.app import DROP, SandboxApp
from worker.sandbox.faults.proxy import FaultProxy
from worker.sandbox.running.listening import HOST, bound, port_of, reset_on_close
from worker.sandbox.running.options import SandboxOptions


def serve(options: SandboxOptions, *, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then return.

    `on_ready` gets the URL once connections are accepted; if there is a proxy, its URL. The options need a key
    (`SandboxOptions.with_key`). Raises `SandboxError` if the port is taken or a file cannot be used.
    """
    # A million messages are a million tuples that never go away. By default Python scans everything again and again:
    # accepting 100 then takes 1.9 ms instead of 1.2 ms once 300,000 are stored.
    gc.set_threshold(50_000, 20, 100)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(bound(0 if options.has_proxy else options.port))
        app = SandboxApp(options, clock=SystemClock())
        stack.callback(app.close)
        url = f"http://{HOST}:{port_of(listener)}"
        if options.has_proxy:
            url = stack.enter_context(FaultProxy(app.board, upstream_port=port_of(listener), port=options.port)).url
        config = uvicorn.Config(
            app,
            http=_Protocol,
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
        with _ending_quietly():
            server = _Server(config, on_ready=lambda: on_ready(url), on_stop=app.board.stop)
            server.run([listener])


class _Protocol(HttpToolsProtocol):
    """Lets the application reset a connection, which ASGI cannot express."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {DROP: {"reset": self._reset}}

    def _reset(self) -> None:
        reset_on_close(self.transport.get_extra_info("socket"))
        self.transport.abort()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, *, on_ready: Callable[[], None], on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_stop()
        await super().shutdown(sockets)


@contextlib.contextmanager
def _ending_quietly() -> Iterator[None]:
    """Ignore the signal that uvicorn raises once more after it has stopped: here that end was asked for."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
