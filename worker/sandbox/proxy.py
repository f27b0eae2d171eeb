"""A TCP proxy on 127.0.0.1 between a client and the sandbox, for the faults that HTTP has no words for."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Final, Self

from worker.sandbox.exchange import RequestKind
from worker.sandbox.fault_board import FaultBoard
from worker.sandbox.fault_case import Draw
from worker.sandbox.faults import TCP_FAULTS
from worker.sandbox.listening import HOST, bound, port_of, reset_on_close
from worker.sandbox.proxy_stream import Incoming, NotHttpError, Stream, read_head, read_request, reply_parts

REOPEN_SECONDS: Final = 0.02
KEY_END_BYTES: Final = 8
"""A cut inside the key leaves out 1 to so many of its bytes: every key of a sandbox is longer."""


class FaultProxy:
    """Passes every byte on, except where the board has drawn a fault; in a thread of its own while its block lasts.

    It hands all other draws over to the sandbox, which numbers no request a second time. Raises `SandboxError` when the
    port is taken (0: any free one).
    """

    def __init__(self, board: FaultBoard, *, upstream_port: int, port: int = 0) -> None:
        self._board = board
        self._upstream_port = upstream_port
        self._listener = self._listening(port)
        self.port = port_of(self._listener)
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)

    @property
    def url(self) -> str:
        """What clients take for the gateway's address."""
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._main.cancel)
        self._thread.join()

    def _run(self) -> None:
        self._main = self._loop.create_task(self._accept_forever())
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._main)
        self._loop.close()

    def _listening(self, port: int) -> socket.socket:
        listener = bound(port)
        listener.setblocking(False)
        listener.listen(1024)
        return listener

    async def _accept_forever(self) -> None:
        try:
            while True:
                accepted, _ = await self._loop.sock_accept(self._listener)
                await self._meet(accepted, self._board.draw(RequestKind.CONNECT))
        finally:
            self._listener.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _meet(self, accepted: socket.socket, draw: Draw) -> None:
        """A new connection: the faults that come before its first byte."""
        self._board.log.write(draw, ())
        if draw.fault == "accept_reset":
            reset_on_close(accepted)
            accepted.close()
        elif draw.fault == "never_read":
            self._spawn(self._hold(accepted, draw))
        else:
            self._spawn(self._converse(accepted))
        if draw.fault == "refuse":
            # This connection is served: only those that come now are refused, which is proof that nothing was sent.
            self._listener.close()
            await asyncio.sleep(draw.times.closed_seconds)
            await self._listen_again()

    async def _listen_again(self) -> None:
        while True:
            with contextlib.suppress(Exception):
                self._listener = self._listening(self.port)
                return
            await asyncio.sleep(REOPEN_SECONDS)  # some outgoing connection has the port: it will not last

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hold(self, accepted: socket.socket, draw: Draw) -> None:
        # Not even a stream is made of it: that would read.
        try:
            await asyncio.sleep(draw.times.hold_seconds)
        finally:
            reset_on_close(accepted)
            accepted.close()
