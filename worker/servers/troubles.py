"""The troubles of the servers that all work needs: one sentence in the log when each begins, and one when it ends.

Everything that works in turns (a tick, a job, a look) reports each failure under its own name, and each success:

    pause_seconds = troubles.failed("drain", error, event="tick.failed", tick="drain")
    troubles.worked("drain")

A failure of a known kind (`worker.servers.conditions`) is a condition, reported once however many sources meet it; it
ends when all of them have worked since. Anything else is a bug of ours: reported with a traceback once, and then
counted. Either way the source should rest, longer each time.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from campaigns.clock import Clock, SystemClock
from campaigns.sending.backoff import rest_after
from worker import metrics
from worker.logs import get_logger
from worker.servers.conditions import WORDS, Trouble, detail_of, sentence, trouble_of

SETTLED_SECONDS: Final = 2.0
"""A condition ends when all sources that met it have worked since, this long ago: if it comes and goes, it is one."""

FORGOTTEN_SECONDS: Final = 60.0
"""A condition that nobody met for this long has ended, too: its sources may have nothing to do any more."""

LONG_FORGOTTEN_SECONDS: Final = 600.0
"""The longer time for a gateway in trouble, which is read up to a minute apart, and only if there is work."""

COUNT_EVERY_SECONDS: Final = 60.0
"""An unknown failure that continues is counted in a line this often, without another traceback."""


@dataclass(slots=True)
class _Condition:
    """A trouble in progress, and the sources that have met it and not worked since."""

    says: str
    began_seconds: float
    failed_seconds: float
    sources: set[str] = field(default_factory=set)
    failures: int = 0


@dataclass(slots=True)
class _Mistake:
    """A failure of no known kind that was already reported."""

    failed_seconds: float
    told_seconds: float
    untold: int = 0


class Troubles:
    """The conditions that this process has met and that have not ended. Shared by all of its threads."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._conditions: dict[Trouble, _Condition] = {}
        self._mistakes: dict[tuple[str, str], _Mistake] = {}
        self._in_a_row: dict[str, int] = {}

    def failed(self, source: str, error: BaseException, *, event: str = "failed", **shown: object) -> float:
        """Report the failure unless it is already reported; return how many seconds the source should rest.

        `event` and `shown` are for the log, if the error is of no known kind.
        """
        now = self._clock.elapsed_seconds()
        trouble = trouble_of(error)
        with self._lock:
            times = self._in_a_row[source] = self._in_a_row.get(source, 0) + 1
            if trouble is not None:
                self._meet(trouble, source, error, now)
            else:
                self._count(source, error, now, event, shown)
        return rest_after(times)

    def worked(self, source: str) -> None:
        """Record that the source has done its work; costs nothing while all is well."""
        if not self._in_a_row and not self._conditions:
            return
        with self._lock:
            self._in_a_row.pop(source, None)
            for condition in self._conditions.values():
                condition.sources.discard(source)
        self.settle()

    def settle(self) -> None:
        """Report the end of conditions that are over."""
        now = self._clock.elapsed_seconds()
        with self._lock:
            for trouble, condition in list(self._conditions.items()):
                quiet = now - condition.failed_seconds
                forgotten = LONG_FORGOTTEN_SECONDS if trouble is Trouble.GATEWAY_UNREAD else FORGOTTEN_SECONDS
                if quiet < (forgotten if condition.sources else SETTLED_SECONDS):
                    continue
                del self._conditions[trouble]
                self._show()
                took = condition.failed_seconds - condition.began_seconds
                get_logger().info(
                    "trouble.ended",
                    trouble=trouble.value,
                    says=f"over: {WORDS[trouble].matter}; waiting work continues",
                    seconds=round(took, 1),
                    failures=condition.failures,
                )

    def current(self) -> tuple[tuple[Trouble, str], ...]:
        """What is under way, each with its sentence, the oldest first."""
        with self._lock:
            return tuple((trouble, condition.says) for trouble, condition in self._conditions.items())

    def _meet(self, trouble: Trouble, source: str, error: BaseException, now: float) -> None:
        condition = self._conditions.get(trouble)
        says = sentence(trouble, detail_of(error))
        if condition is None:
            condition = self._conditions[trouble] = _Condition(says, now, now)
            self._show()
            get_logger().warning("trouble.began", trouble=trouble.value, met_by=source, says=says)
        condition.says = says  # a gateway that asked to send slower may refuse the key by now
        condition.sources.add(source)
        condition.failed_seconds = now
        condition.failures += 1

    def _show(self) -> None:
        metrics.set_gauge(metrics.TROUBLES, {(trouble.value,): 1 for trouble in self._conditions})

    def _count(self, source: str, error: BaseException, now: float, event: str, shown: Mapping[str, object]) -> None:
        kind = type(error).__name__
        for key in [key for key, told in self._mistakes.items() if now - told.failed_seconds > FORGOTTEN_SECONDS]:
            del self._mistakes[key]
        mistake = self._mistakes.get((source, kind))
        if mistake is None:
            self._mistakes[source, kind] = _Mistake(now, now)
            get_logger().error(event, **shown, exc_info=error)
            return
        mistake.failed_seconds = now
        mistake.untold += 1
        if now - mistake.told_seconds >= COUNT_EVERY_SECONDS:
            get_logger().error(event, **shown, problem=kind, times=mistake.untold)
            mistake.told_seconds, mistake.untold = now, 0
