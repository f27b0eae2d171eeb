"""What a tick does not do at each call: what is worth it from time to time, and what would find nothing."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from worker.runtime import Runtime
from worker.store.connections.commits import Version

RESTS: Final[Mapping[str, int]] = MappingProxyType({})
"""What a tick counts while it rests: nothing, as it did not look. Whatever kept it from working may still do so."""

LOOK_AHEAD: Final = timedelta(hours=1)
"""How far ahead a tick looks that found nothing, to know how long it need not look again."""


@dataclass(slots=True)
class Every:
    """Something done every `seconds`, by the monotonic clock: the first time at once."""

    seconds: float = 0.0
    next_seconds: float = -math.inf

    def is_due(self, at_seconds: float) -> bool:
        """Return whether it is time again."""
        return at_seconds >= self.next_seconds

    def rest(self, at_seconds: float, seconds: float | None = None) -> None:
        """Rest for this long after this moment; without `seconds`, as long as usual."""
        self.next_seconds = at_seconds + (self.seconds if seconds is None else seconds)


@dataclass(slots=True)
class Quiet:
    """A look that found nothing. It holds until something is committed, or until something is due.

    So nothing is late by it: what is committed changes the version, and what only waits for its time has a moment. On
    PostgreSQL there is no version, and each look is made.
    """

    version: Version | None = None
    until: datetime | None = None  # None: only a change can bring work
    seen: Version | None = None  # at the look before

    def lasts(self, version: Version | None, now: datetime) -> bool:
        """Return whether a look would find nothing. Ask for `version` before it: a commit in between is noticed."""
        return version is not None and version == self.version and (self.until is None or now < self.until)

    def found_nothing(self, version: Version | None, next_at: Callable[[], datetime | None]) -> None:
        """Note a look without work. `next_at` says what is due next; it is asked once nothing changes any more.

        While texts are sent, each look meets another version, and asking would only cost another statement.
        """
        if version is not None and version == self.seen:
            self.version, self.until = version, next_at()
        self.seen = version


@dataclass(slots=True)
class WhenDue:
    """Work that is left out while it would find nothing: nothing was committed, and nothing was due in the hour ahead.

    `is_any_due` returns whether anything is due by a moment.
    """

    work: Callable[[Runtime, datetime], Mapping[str, int]]
    is_any_due: Callable[[Runtime, datetime], bool]
    quiet: Quiet = field(default_factory=Quiet)
    nothing: Mapping[str, int] = field(default_factory=lambda: RESTS)

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        version = runtime.store.version()
        if self.quiet.lasts(version, now):
            return self.nothing
        done = self.work(runtime, now)
        if done and not any(done.values()):
            self.nothing, until = done, now + LOOK_AHEAD
            self.quiet.found_nothing(version, lambda: now if self.is_any_due(runtime, until) else until)
        return done
