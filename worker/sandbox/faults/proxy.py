"""A TCP proxy on 127.0.0.1 between a client and the sandbox, for the faults that HTTP cannot express."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Final, Self

from worker.sandbox.errors import SandboxError
from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.board import FaultBoard
from worker.sandbox.faults.case import Draw
from worker.sandbox.phones.conversation import Conversation, Stream
from worker.sandbox.running.listening import HOST, bound, port_of, reset_on_close

REOPEN_SECONDS: Final = 0.02
BACKLOG: Final = 1_024


class FaultProxy:
    """Passes every byte on, unless the board has drawn a fault; in its own thread for as long as its block lasts.

    It hands its draws over to the sandbox, so that each request is drawn for once. Raises `SandboxError` if the port is
    taken (0: any free one).
    """

    def __init__(self, board: FaultBoard, *, upstream_port: int, port: int = 0) -> None:
        self._board = board
        self._upstream_port = upstream_port
        self._listener = _listening(port)
        self.port = port_of(self._listener)
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)

    @property
    def url(self) -> str:
        """Return the address that clients use as the gateway's."""
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self._accepting = self._loop.create_task(self._accept_forever())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._accepting.cancel)
        self._thread.join()

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._accepting)
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept_forever(self) -> None:
        while True:
            accepted, _ = await self._loop.sock_accept(self._listener)
            draw = self._board.draw(RequestKind.CONNECT)
            self._board.log.write(draw, ())
            match draw.fault:
                case "accept_reset":
                    reset_on_close(accepted)
                    accepted.close()
                case "never_read":
                    self._spawn(self._hold(accepted, draw))
                case "refuse":
                    # This connection is served: only new ones are refused, before they send a byte.
                    self._spawn(self._converse(accepted))
                    await self._refuse(draw)
                case _:
                    self._spawn(self._converse(accepted))

    async def _refuse(self, draw: Draw) -> None:
        self._listener.close()
        await asyncio.sleep(draw.times.closed_seconds)
        while True:
            with contextlib.suppress(SandboxError):
                self._listener = _listening(self.port)
                return
            await asyncio.sleep(REOPEN_SECONDS)  # meanwhile an outgoing connection has the port: not for long

    async def _hold(self, accepted: socket.socket, draw: Draw) -> None:
        try:
            await asyncio.sleep(draw.times.hold_seconds)
        finally:
            reset_on_close(accepted)
            accepted.close()

    async def _converse(self, accepted: socket.socket) -> None:
        client = Stream(*await asyncio.open_connection(sock=accepted))
        try:
            upstream = Stream(*await asyncio.open_connection(HOST, self._upstream_port))
        except OSError:
            client.reset()  # the sandbox is ending
            return
        await Conversation(self._board, client, upstream).run()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _listening(port: int) -> socket.socket:
    listener = bound(port)
    listener.setblocking(False)
    listener.listen(BACKLOG)
    return listener
