"""Work that a tick does from time to time, not at each call."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

RESTS: Final[Mapping[str, int]] = MappingProxyType({})
"""What a tick counts while it rests: nothing, as it did not look. Whatever kept it from working may still do so."""


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
