"""The examination for those who ask a running service. What examines is loaded when somebody asks."""

import threading
from dataclasses import dataclass, field
from typing import Final

from pydantic import SecretStr

from campaigns.clock import Clock
from scheduler.actions.shapes.seen import ExaminedShape

KEPT_SECONDS: Final = 10.0
"""Whoever asks a running service again within this time gets what was found: each look costs the gateway some reads."""


@dataclass(slots=True)
class Checkup:
    """The examination for those who ask a running service: one at a time. `running` as in `examine`."""

    clock: Clock
    running: tuple[str, SecretStr] | None = None
    found: ExaminedShape | None = None
    until_seconds: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> ExaminedShape:
        """Return what is found."""
        from scheduler.doctor.examination import examine
        from scheduler.doctor.findings import examined

        with self.lock:
            if self.found is None or self.clock.elapsed_seconds() >= self.until_seconds:
                self.found = examined(list(examine(self.clock, running=self.running)))
                self.until_seconds = self.clock.elapsed_seconds() + KEPT_SECONDS
            return self.found
