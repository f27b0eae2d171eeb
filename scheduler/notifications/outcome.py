"""The outcome of a notification."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """Delivered, if there is no `problem`. `is_away`: the target accepted nothing, so its other notices may wait.

    The problem contains neither address nor secret.
    """

    problem: str = ""
    is_away: bool = False


TAKEN = DeliveryResult()
