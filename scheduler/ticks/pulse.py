"""When each tick last did its work: nothing else notices one that hangs or keeps failing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Pulse:
    """Written by the clock, each tick from its own thread; read by the alerts. Monotonic seconds by the tick's name."""

    worked_seconds: dict[str, float] = field(default_factory=dict)

    def begin(self, names: Iterable[str], at_seconds: float) -> None:
        """The clock starts to call these ticks."""
        self.worked_seconds = dict.fromkeys(names, at_seconds)

    def worked(self, name: str, at_seconds: float) -> None:
        """A tick came back: it worked, or had nothing to do."""
        self.worked_seconds[name] = at_seconds

    def ages(self, at_seconds: float) -> Mapping[str, float]:
        """Return by tick how long ago that was."""
        return {name: at_seconds - worked for name, worked in dict(self.worked_seconds).items()}
