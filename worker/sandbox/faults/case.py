"""One request that a fault hits, and what a fault can do with it."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from worker.sandbox.errors import SandboxError
from worker.sandbox.exchange import (
    ChangeShown,
    ChangeTexts,
    Perform,
    Reply,
    Request,
    RequestKind,
    all_found,
    as_they_are,
)

STRICT: Final = {"extra": "forbid"}
"""Pydantic's setting for JSON input: a misspelt field is an error, not a fault that never comes."""


@dataclass(frozen=True, slots=True)
class FaultTimes:
    """How long faults last, in seconds. Raises `SandboxError` for values that make no sense.

    A late commit comes between `late_min_seconds` and `late_max_seconds` after the answer. `slow_seconds` delay a slow
    reply, and should be longer than the client's timeout. Messages younger than `lag_seconds` are missing from a
    lagging read. A port that refuses does so for `closed_seconds`. A request that is never answered is held for
    `hold_seconds`; a dripping reply sends a byte every `drip_seconds`, for that long. `retry_after_seconds` is what a
    429 asks for. With `cut_byte` every cut comes after that many bytes instead of at random; a negative one counts from
    the end.
    """

    __pydantic_config__: ClassVar = STRICT

    late_min_seconds: float = 0.1
    late_max_seconds: float = 2.0
    slow_seconds: float = 40.0
    lag_seconds: float = 3.0
    closed_seconds: float = 0.5
    hold_seconds: float = 120.0
    drip_seconds: float = 1.0
    retry_after_seconds: int = 2
    cut_byte: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.late_min_seconds <= self.late_max_seconds:
            raise SandboxError("The times of a late commit must be 0 seconds or more, the smallest first.")
        lasting = (self.slow_seconds, self.lag_seconds, self.closed_seconds, self.hold_seconds, self.drip_seconds)
        if min(*lasting, self.retry_after_seconds) < 0:
            raise SandboxError("The times of faults must be 0 seconds or more.")


@dataclass(frozen=True, slots=True)
class Draw:
    """What was decided for a request. `fault` None: nothing. `random` is the fault's own, for its inner choices.

    `nth` counts the requests of its kind from 1, since the plan came into force; `at` is in unix seconds. A connection
    has no `number`, because numbers count requests.
    """

    at: float
    kind: RequestKind
    nth: int
    number: int | None
    fault: str | None
    random: random.Random
    times: FaultTimes


@dataclass(slots=True)
class Case:
    """A request, what was drawn for it, and the levers: `honestly` carries it out and returns its reply, `later` does
    so after some seconds, whatever happens to the connection. `stored` collects the IDs that it made."""

    request: Request
    draw: Draw
    honestly: Perform
    later: Callable[["Case", float], None]
    stored: list[int] = field(default_factory=list)

    @property
    def random(self) -> random.Random:
        return self.draw.random

    @property
    def times(self) -> FaultTimes:
        return self.draw.times

    def perform(
        self,
        *,
        texts: ChangeTexts = as_they_are,
        shown: ChangeShown = all_found,
    ) -> Reply:
        """Carry the request out, and remember what it stored."""
        reply = self.honestly(texts=texts, shown=shown)
        self.stored += reply.stored
        return reply

    def some_of(self, items: list[Any]) -> list[Any]:
        """Return the items in order without one or more of them; some stay, unless there was only one."""
        if len(items) < 2:
            return []
        kept = set(self.random.sample(range(len(items)), self.random.randint(1, len(items) - 1)))
        return [item for index, item in enumerate(items) if index in kept]

    def first_of(self, items: list[Any]) -> list[Any]:
        """Return the beginning of the items: at least one and never all, so none of a single one."""
        return items[: self.random.randint(1, len(items) - 1)] if len(items) > 1 else []
