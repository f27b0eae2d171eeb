"""A gateway whose messages cannot be read: told once, whatever wanted to read them, and read ever less often."""

from typing import Final

from worker.conditions import ServerTrouble, Trouble
from worker.gateway import GatewayError
from worker.runtime import Runtime

FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 60.0


def reads_failed(runtime: Runtime, source: str, error: GatewayError) -> float:
    """Tell it, unless it is told; how many seconds the source should rest: twice as long at each failure in a row."""
    runtime.troubles.failed(_reads(source), ServerTrouble(Trouble.GATEWAY_UNREAD, str(error).rstrip(".")))
    pause = runtime.next_looks.get(_paused(source), FIRST_PAUSE_SECONDS)
    runtime.next_looks[_paused(source)] = min(LONGEST_PAUSE_SECONDS, 2 * pause)
    return pause


def reads_worked(runtime: Runtime, source: str) -> None:
    """The source has read, and not only had nothing to read."""
    runtime.next_looks.pop(_paused(source), None)
    runtime.troubles.worked(_reads(source))


def reads_fail(runtime: Runtime, source: str) -> bool:
    """Whether the last read of the source failed."""
    return _paused(source) in runtime.next_looks


def _reads(source: str) -> str:
    """Not the name of the tick, which has worked as well where it had nothing to read."""
    return f"{source}:reads"


def _paused(source: str) -> str:
    return f"{source}:pause"
