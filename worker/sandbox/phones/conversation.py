"""One TCP connection of a client through the fault proxy: requests, replies, and what cuts them."""

import asyncio
import contextlib
import re
import socket
from dataclasses import dataclass
from typing import Final

from worker.sandbox.exchange import PATHS, kind_of
from worker.sandbox.faults.board import FaultBoard
from worker.sandbox.faults.case import Draw
from worker.sandbox.faults.table import TCP_FAULTS
from worker.sandbox.forms import parse_form
from worker.sandbox.running.listening import reset_on_close

HEAD_END: Final = b"\r\n\r\n"
CONTENT_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,12})[ \t]*(?=\r\n)", re.IGNORECASE)
CHUNK_BYTES: Final = 65_536
SMALL_BYTES: Final = 1_024
"""A balance request is the key alone: no longer body is read before it is decided what to do with it."""
KEY_END_BYTES: Final = 8
"""A cut inside the key removes 1 to this many bytes; keys are longer."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One side of the proxy."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def local_port(self) -> int:
        port: int = self.writer.get_extra_info("sockname")[1]
        return port

    async def read_up_to(self, count: int) -> bytes:
        """Read `count` bytes, or fewer if the other side ends first."""
        try:
            return await self.reader.readexactly(count)
        except asyncio.IncompleteReadError as ended:
            return ended.partial

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> None:
        """End with FIN, after everything written."""
        self.writer.close()

    def reset(self) -> None:
        """End with RST, at once."""
        connection: socket.socket = self.writer.get_extra_info("socket")
        reset_on_close(connection)
        self.writer.transport.abort()


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request whose head and first body bytes (`begun`) have been read; `length` is that of the whole body."""

    head: bytes
    begun: bytes
    length: int

    @property
    def size(self) -> int:
        return len(self.head) + self.length


class Conversation:
    """The requests of one connection, one after the other, until a fault or either side ends it."""

    def __init__(self, board: FaultBoard, client: Stream, upstream: Stream) -> None:
        self._board = board
        self._client = client
        self._upstream = upstream

    async def run(self) -> None:
        """Pass everything on; return when the connection is over."""
        try:
            # A limit error: more than 64 KiB without the end of a head, which no client of this API sends.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                while await self._exchange():
                    pass
        finally:
            self._upstream.close()
            self._client.close()

    async def _exchange(self) -> bool:
        """Pass one request and its reply on; return False if there can be no other on this connection."""
        try:
            head = await self._client.reader.readuntil(HEAD_END)
        except asyncio.IncompleteReadError as ended:
            await self._upstream.write(ended.partial)
            return False
        path = head.partition(b" ")[2].partition(b" ")[0].decode("latin-1")
        length = _content_length(head) or 0
        if path not in PATHS:
            return await self._forward(Incoming(head, b"", length)) and await self._pass_on_reply()
        begun = await self._client.read_up_to(length) if length <= SMALL_BYTES else b""
        draw = self._board.draw(kind_of(path, parse_form(begun)) if length <= SMALL_BYTES else PATHS[path])
        incoming = Incoming(head, begun, length)
        if draw.fault in TCP_FAULTS:
            await self._fault(incoming, draw)
            return False
        self._board.hand_over(self._upstream.local_port, draw)
        return await self._forward(incoming) and await self._pass_on_reply()

    async def _forward(self, incoming: Incoming) -> bool:
        """Pass the request on; return False if the client ended in the middle of it."""
        await self._upstream.write(incoming.head + incoming.begun)
        missing = incoming.length - len(incoming.begun)
        return await _copy(self._client, self._upstream, missing)

    async def _pass_on_reply(self) -> bool:
        try:
            head = await self._upstream.reader.readuntil(HEAD_END)
        except (asyncio.IncompleteReadError, OSError):
            self._client.reset()  # the sandbox reset its connection: the client should see that
            return False
        await self._client.write(head)
        length = _content_length(head)
        if length is None:
            while chunk := await self._upstream.reader.read(CHUNK_BYTES):
                await self._client.write(chunk)
            return False
        return await _copy(self._upstream, self._client, length)

    async def _fault(self, incoming: Incoming, draw: Draw) -> None:
        match draw.fault:
            case "request_cut":
                await self._cut_request(incoming, draw, _cut(draw, incoming.size))
            case "request_cut_in_key":
                await self._cut_request(incoming, draw, incoming.size - draw.random.randint(1, KEY_END_BYTES))
            case "black_hole":
                await self._swallow(draw)
            case _:
                await self._fault_reply(incoming, draw)

    async def _cut_request(self, incoming: Incoming, draw: Draw, size: int) -> None:
        """Let only the first `size` bytes arrive."""
        read = incoming.head + incoming.begun
        read += await self._client.read_up_to(max(0, size - len(read)))
        if size < len(incoming.head):
            self._board.log.write(draw, ())
        else:
            # The sandbox will treat it as a request, and record the fault with its result.
            self._board.hand_over(self._upstream.local_port, draw)
        await self._upstream.write(read[:size])
        self._client.reset()

    async def _swallow(self, draw: Draw) -> None:
        """Read everything, pass nothing on and answer nothing, until the client gives up."""
        self._board.log.write(draw, ())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(draw.times.hold_seconds):
                while await self._client.reader.read(CHUNK_BYTES):
                    pass
        self._client.reset()

    async def _fault_reply(self, incoming: Incoming, draw: Draw) -> None:
        """Let the request be carried out, and damage its reply."""
        self._board.hand_over(self._upstream.local_port, draw)
        if not await self._forward(incoming):
            return
        head = await self._upstream.reader.readuntil(HEAD_END)
        body = await self._upstream.read_up_to(_content_length(head) or 0)
        match draw.fault:
            case "reset_after_request":
                self._client.reset()
            case "reply_cut":
                await self._client.write((head + body)[: _cut(draw, len(head + body))])
            case "reply_cut_unmarked":
                unmarked = CONTENT_LENGTH.sub(b"\r\nconnection: close", head)
                await self._client.write(unmarked + body[: _cut(draw, len(body))])
            case "reply_drip":
                await self._drip(head + body, draw)

    async def _drip(self, data: bytes, draw: Draw) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(draw.times.hold_seconds):
                for index in range(len(data)):
                    await self._client.write(data[index : index + 1])
                    await asyncio.sleep(draw.times.drip_seconds)


def _cut(draw: Draw, size: int) -> int:
    """Return after which of `size` bytes the cut comes; never after the last."""
    wanted = draw.times.cut_byte
    if wanted is None:
        return draw.random.randrange(max(1, size))
    return max(0, min(wanted if wanted >= 0 else size + wanted, size - 1))


def _content_length(head: bytes) -> int | None:
    match = CONTENT_LENGTH.search(head)
    return int(match[1]) if match else None


async def _copy(source: Stream, target: Stream, count: int) -> bool:
    """Pass `count` bytes on as they arrive; return False if the source ends first."""
    while count:
        chunk = await source.reader.read(min(count, CHUNK_BYTES))
        if not chunk:
            return False
        await target.write(chunk)
        count -= len(chunk)
    return True
