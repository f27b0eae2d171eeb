"""Named points around every commit and every request, where the proof ends the process. In service they do nothing."""

from collections.abc import Callable

_armed: Callable[[str], None] | None = None


def arm(action: Callable[[str], None] | None) -> None:
    """Call `action` with the name of every point that is reached from now on; None: do nothing again."""
    global _armed  # one switch for the process, because the points are everywhere in it
    _armed = action


def reached(name: str) -> None:
    """Mark that the process is at this point."""
    if _armed is not None:
        _armed(name)
