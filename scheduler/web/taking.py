"""Stores what the webhook brings: all waiting calls go into one transaction, and each gets its own result.

A commit takes milliseconds, and 500 calls at once would each wait for 499 others.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import sqlalchemy as sa

from worker.gateway import Message
from worker.store.errors import DatabaseLost, is_away

Take = Callable[[Sequence[Message]], object]

MOST_AT_ONCE: Final = 1_000
"""The most messages of one transaction, give or take those of a call."""


class ReplyBatcher:
    """Calls `take` in a thread, one call at a time, with the messages of all waiting calls."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._waiting: list[tuple[Sequence[Message], asyncio.Future[None]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def take(self, messages: Sequence[Message]) -> None:
        """Return once they are stored. Raises what `take` raised."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((messages, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        await future

    async def _work(self) -> None:
        while self._waiting:
            calls, messages = 0, list[Message]()
            for brought, _ in self._waiting:
                if calls and len(messages) + len(brought) > MOST_AT_ONCE:
                    break
                calls += 1
                messages.extend(brought)
            batch, self._waiting = self._waiting[:calls], self._waiting[calls:]
            together = await self._stored(messages)
            # One call must not spoil the others in its transaction.
            is_spoilt = together is not None and calls > 1 and not _is_away(together)
            for brought, future in batch:
                error = await self._stored(brought) if is_spoilt else together
                if future.done():  # its caller has gone; its messages are stored all the same
                    continue
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(error)

    async def _stored(self, messages: Sequence[Message]) -> Exception | None:
        try:
            await asyncio.to_thread(self._take, messages)
        except Exception as error:  # whatever it is, the waiting callers must get it
            return error
        return None


def _is_away(error: Exception) -> bool:
    return isinstance(error, sa.exc.DBAPIError | DatabaseLost) and is_away(error)
