"""A gateway whose messages cannot be read: told once, whatever wanted to read them."""

from dataclasses import dataclass

from worker.gateway import GatewayError
from worker.runtime import Runtime
from worker.servers.conditions import ServerTrouble, Trouble


@dataclass(slots=True)
class ReceiptReads:
    """How reading receipts goes: what follows runs writes it, what ends them reads it."""

    failures: int = 0  # ticks in a row that could read nothing

    def failed(self, runtime: Runtime, error: GatewayError) -> None:
        """None could be read."""
        self.failures += 1
        reads_failed(runtime, "follow", error)

    def worked(self, runtime: Runtime) -> None:
        """Some were read."""
        self.failures = 0
        reads_worked(runtime, "follow")


def reads_failed(runtime: Runtime, source: str, error: GatewayError) -> None:
    """Tell it, unless it is told."""
    runtime.troubles.failed(_reads(source), ServerTrouble(Trouble.GATEWAY_UNREAD, str(error).rstrip(".")))


def reads_worked(runtime: Runtime, source: str) -> None:
    """The source has read, and not only had nothing to read."""
    runtime.troubles.worked(_reads(source))


def _reads(source: str) -> str:
    """Not the name of the tick, which has worked as well where it had nothing to read."""
    return f"{source}:reads"
