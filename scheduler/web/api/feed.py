"""Events for listeners: one look per second for all of them, and none while nobody listens."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from threading import Event
from typing import Final

from starlette.concurrency import run_in_threadpool

from scheduler.actions.reading.lists import last_news, read_news
from scheduler.web.api.problems import CallProblem, Fault
from worker.logs import get_logger
from worker.store.engine import Store
from worker.store.errors import STORE_FAILS
from worker.store.reports.lists import News

LOOK_SECONDS: Final = 1.0
QUIET_SECONDS: Final = 15.0
"""After this long without events, a listener gets a comment: proxies close silent connections."""

MOST_SECONDS: Final = 600.0
"""How long one answer lasts. Then the caller comes back, and its token is looked at again."""

MOST_LISTENERS: Final = 500
"""Half of the connections that the door takes: the others are for the webhook and for calls."""

MOST_EACH: Final = 20
"""Of one caller, so that none keeps the others out."""

AT_ONCE: Final = 1_000
"""How many news are read, and kept for those who are a little behind; who is further behind reads them anew."""


class NewsFeed:
    """The news of one process. `leaving` is set when its door closes: then every answer ends.

    `quiet_seconds`: after so long without news a listener is told that the line is open.
    """

    def __init__(self, store: Store, leaving: Event, quiet_seconds: float = QUIET_SECONDS) -> None:
        self._store = store
        self._leaving = leaving
        self._quiet_seconds = quiet_seconds
        self._recent: deque[News] = deque()
        self._floor = self._place = 0  # all news after the floor up to the place are in `_recent`
        self._listeners: Counter[str] = Counter()
        self._looking: asyncio.Task[None] | None = None
        self._came = asyncio.Event()

    def refuse_if_full(self, caller: str) -> None:
        """Raise `CallProblem` if nobody else can listen, or this caller listens enough."""
        if self._listeners[caller] >= MOST_EACH:
            sentence = f"{caller} already has {MOST_EACH} streams of events; end one of them"
            raise CallProblem(Fault.TOO_MANY, sentence, headers={"Retry-After": "10"})
        if self._listeners.total() >= MOST_LISTENERS:
            sentence = f"this process already has {MOST_LISTENERS} listeners; call again later, or call another process"
            raise CallProblem(Fault.UNAVAILABLE, sentence, headers={"Retry-After": "10"})

    async def follow(self, caller: str, after: int | None) -> AsyncIterator[Sequence[News]]:
        """Yield the news after this one (None: from now on) as they come, and nothing in quiet times."""
        self._listeners[caller] += 1
        try:
            newest = await run_in_threadpool(last_news, self._store)
            # Beyond the newest: of another database, or all news were forgotten since.
            place = newest if after is None else min(after, newest)
            if self._looking is None or self._looking.done():
                self._recent.clear()
                self._floor = self._place = newest
                self._looking = asyncio.create_task(self._look())
            ends = time.monotonic() + MOST_SECONDS
            yield ()
            while time.monotonic() < ends and not self._leaving.is_set():
                news, place = await self._next(place)
                yield news
        finally:
            self._listeners -= Counter([caller])  # and whoever has none left is forgotten

    async def _next(self, place: int) -> tuple[Sequence[News], int]:
        """Return the next news, and the place after them."""
        if place >= self._place:
            try:
                await asyncio.wait_for(self._came.wait(), self._quiet_seconds)
            except TimeoutError:
                return (), place
        floor = self._floor
        if place >= floor:
            news: Sequence[News] = [news for news in self._recent if news.id > place]
        else:
            news = await run_in_threadpool(read_news, self._store, after=place, limit=AT_ONCE)
        # None are left before the floor if they were forgotten since: who stayed there would ask for ever.
        return news, news[-1].id if news else max(place, floor)

    async def _look(self) -> None:
        while self._listeners:
            try:
                found = await run_in_threadpool(read_news, self._store, after=self._place, limit=AT_ONCE)
            except STORE_FAILS as error:  # it comes back, or the process ends
                get_logger().warning("api.news_unread", problem=type(error).__name__)
                found = []
            if found:
                self._recent.extend(found)
                self._place = found[-1].id
                while len(self._recent) > AT_ONCE:
                    self._floor = self._recent.popleft().id
            if found or self._leaving.is_set():
                came, self._came = self._came, asyncio.Event()
                came.set()
            await asyncio.sleep(LOOK_SECONDS)
