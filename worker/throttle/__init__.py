"""How fast anything is sent: one atomic decision over every limit that applies, in process or on Redis."""

from worker.throttle.levels import Budget, Granted, Ledger, Limit, RateLimit, Reservation, Throttle, ThrottleUnavailable
from worker.throttle.memory import InMemoryThrottle
from worker.throttle.redis import RedisThrottle, connect_for_throttle

__all__ = [
    "Budget",
    "Granted",
    "InMemoryThrottle",
    "Ledger",
    "Limit",
    "RateLimit",
    "RedisThrottle",
    "Reservation",
    "Throttle",
    "ThrottleUnavailable",
    "connect_for_throttle",
]
