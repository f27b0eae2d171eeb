"""How telling went."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """Taken, where there is no `problem`. `is_away`: the target took nothing at all, so that others for it may wait.

    The problem holds neither address nor secret.
    """

    problem: str = ""
    is_away: bool = False


TAKEN = DeliveryResult()
