"""The link that lets the first person in, while there is no user."""

import secrets
from hmac import compare_digest
from threading import Lock
from typing import Final

from campaigns.clock import Clock

FIRST: Final = "/first"
CODE_SECONDS: Final = 15 * 60


class FirstRun:
    """A code that lets one person in, once, within a quarter of an hour. It is kept in this process's memory only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = clock.elapsed_seconds() + CODE_SECONDS
        self._code = secrets.token_urlsafe(32)
        self._lock = Lock()

    @property
    def path(self) -> str:
        """The address of the link, without the server."""
        return f"{FIRST}?code={self._code}"

    def take(self, code: str) -> bool:
        """Return whether this is the code, and it is used in time and for the first time."""
        with self._lock:
            is_right = compare_digest(code.encode("utf-8", "surrogatepass"), self._code.encode())
            is_open = self._clock.elapsed_seconds() < self._until
            if is_right:
                self._until = 0.0
            return is_right and is_open
