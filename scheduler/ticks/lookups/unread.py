"""A gateway whose messages cannot be read: logged once, whichever part wanted to read them."""

from dataclasses import dataclass

from worker.gateway import GatewayError
from worker.runtime import Runtime
from worker.servers.conditions import ServerTrouble, Trouble


@dataclass(slots=True)
class ReceiptReads:
    """How reading receipts goes: written by the tick that follows runs, read by the one that ends them."""

    failures: int = 0  # consecutive ticks that could read nothing

    def failed(self, runtime: Runtime, error: GatewayError) -> None:
        """Note that none could be read."""
        self.failures += 1
        reads_failed(runtime, "follow", error)

    def worked(self, runtime: Runtime) -> None:
        """Note that some were read."""
        self.failures = 0
        reads_worked(runtime, "follow")


def reads_failed(runtime: Runtime, source: str, error: GatewayError) -> None:
    """Log it, unless it has been logged."""
    runtime.troubles.failed(_reads(source), ServerTrouble(Trouble.GATEWAY_UNREAD, str(error).rstrip(".")))


def reads_worked(runtime: Runtime, source: str) -> None:
    """Note that the source has read something, and not merely had nothing to read."""
    runtime.troubles.worked(_reads(source))


def _reads(source: str) -> str:
    """Return a name other than the tick's: the tick also works when it has nothing to read."""
    return f"{source}:reads"
