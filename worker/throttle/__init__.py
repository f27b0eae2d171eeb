"""How fast anything is sent: one atomic decision over every limit that applies, in process or on Redis (`.redis`)."""

from worker.throttle.levels import Budget, Granted, Ledger, Limit, RateLimit, Reservation, Throttle, ThrottleUnavailable
from worker.throttle.memory import InMemoryThrottle

__all__ = [
    "Budget",
    "Granted",
    "InMemoryThrottle",
    "Ledger",
    "Limit",
    "RateLimit",
    "Reservation",
    "Throttle",
    "ThrottleUnavailable",
]
