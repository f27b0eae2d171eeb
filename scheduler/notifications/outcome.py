"""The outcome of a notification."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """Delivered, if there is no `problem`. `is_away`: the target accepted nothing, so its other notices may wait.

    The problem contains neither address nor secret.
    """

    problem: str = ""
    is_away: bool = False
    status: int | None = field(default=None, compare=False)  # as HTTP says it, for the log


TAKEN = DeliveryResult()
