"""Live parts of pages: made once for all who see the same, however many pages are open, and kept for two seconds.

A page follows its part: it is told what has changed, by the events of one long answer. A hundred pages that asked every
two seconds took a sixth of a core.
"""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from campaigns.access import Actor
from scheduler.web.api.problems import CallProblem, Fault
from scheduler.web.desk.files import DeskFile
from scheduler.web.desk.rendering import render

if TYPE_CHECKING:
    from scheduler.web.desk.pages import DeskPage, DeskPlace, Visit

KEPT_SECONDS: Final = 2.0
FOLLOWED_SECONDS: Final = 600.0
"""Then an answer ends, and the browser comes back."""

SIGNED_IN_SECONDS: Final = 10.0
"""Whether a reader who follows is still signed in, and may see the same, is looked at this often."""

EVENTS: Final = "text/event-stream"
RETRY_MS: Final = 2_000
"""How long a browser waits before it follows again."""

MOST_KEPT: Final = 500
"""Different parts and readers at a time. Those beyond are made for each who asks."""

T = TypeVar("T")


@dataclass(slots=True)
class _Kept(Generic[T]):
    """What is being made since `began`, or was made, and until when it is kept."""

    made: "asyncio.Future[T]"
    began: float
    until: float = math.inf


class Shared(Generic[T]):
    """What was made in the last seconds, by what it was made for. Of those who ask at once, one makes it."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, _Kept[T]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    async def get(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> tuple[T, float]:
        """Return what is kept for the key, or make it; and when it is too old, by the clock of the loop.

        What is raised is raised for all who wait, and is not kept.
        """
        loop = asyncio.get_running_loop()
        found = self._kept.get(key)
        if found is None or loop.time() >= found.until:
            self._forget(loop.time())
            found = _Kept(asyncio.ensure_future(make()), loop.time())
            if len(self._kept) >= MOST_KEPT:
                return await found.made, found.began + KEPT_SECONDS
            self._kept[key] = found
            found.made.add_done_callback(partial(self._made, key, found))
        return await asyncio.shield(found.made), found.began + KEPT_SECONDS

    def _made(self, key: Hashable, mine: _Kept[T], _: object) -> None:
        mine.until = mine.began + KEPT_SECONDS  # what was read is as old as its beginning
        if (mine.made.cancelled() or mine.made.exception() is not None) and self._kept.get(key) is mine:
            del self._kept[key]

    def _forget(self, now: float) -> None:
        for key in [key for key, each in self._kept.items() if now >= each.until]:
            del self._kept[key]


def for_everybody(asked: "Visit") -> "Visit":
    """Return a visit of nobody in particular who may see the same: a part that many get can show nothing of one."""
    return replace(asked, actor=Actor(asked.who.kind, "", asked.who.scopes), done="")


def live_key(asked: "Visit") -> Hashable:
    """Return what a live part depends on, apart from the moment."""
    return asked.url, asked.zone.key, asked.who.scopes


@dataclass(frozen=True, slots=True)
class LivePart:
    """A part of a page: as an answer, and as an event."""

    html: bytes
    event: bytes
    status: int


def view_of(place: "DeskPlace", asked: "Visit") -> "DeskPage | DeskFile":
    """Return what a page shows; it may be read from the replica."""
    assert place.view is not None  # noqa: S101  the methods of the route say so
    return place.view(replace(asked, runtime=asked.runtime.from_replica()))


def make_part(place: "DeskPlace", asked: "Visit", part: str) -> LivePart:
    """Return the part of this name of a page. Raises `CallProblem` if the page has another one, or none."""
    page = view_of(place, asked)
    if isinstance(page, DeskFile):
        page.content.close()
    if isinstance(page, DeskFile) or page.template != f"{part}.html":  # a whole page shows whose it is: for nobody else
        raise CallProblem(Fault.NOT_FOUND, "this page has no such part")
    html = render(page.template, page.values, asked, part=part)
    event = f"retry: {RETRY_MS}\ndata: {json.dumps(html)}\n\n"
    return LivePart(html.encode(), event.encode(), page.status)
