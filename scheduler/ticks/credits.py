"""What the gateway's account has left, asked from time to time while anything is sent."""

import threading
from dataclasses import dataclass, field
from typing import Final

from scheduler.ticks.account_probe import set_credits
from scheduler.ticks.every import Every
from worker.gateway import GatewayError
from worker.logs import get_logger
from worker.runtime import Runtime

CREDITS_SECONDS: Final = 300.0
"""How often the gateway is asked; the question costs nothing."""


@dataclass(slots=True)
class Credits:
    """The last answer. Metrics and alerts share it; whichever of them comes first asks."""

    left: int | None = None  # None: not known, or without a limit
    is_known: bool = False
    again: Every = field(default_factory=lambda: Every(CREDITS_SECONDS))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, runtime: Runtime) -> None:
        """Ask if it is time to. A gateway that does not answer changes nothing about the credits."""
        at = runtime.clock.elapsed_seconds()
        with self.lock:
            if not self.again.is_due(at):
                return
            self.again.rest(at)
        try:
            balance = runtime.gateway.balance()
        except GatewayError as error:
            self.is_known = False
            get_logger().info("credits.not_read", problem=str(error))
            return
        set_credits(balance)
        self.left, self.is_known = balance.credits, True
