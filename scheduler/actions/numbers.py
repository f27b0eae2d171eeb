"""Numbers as people type them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scheduler.cli.errors import Refused

if TYPE_CHECKING:
    from worker.settings import Settings


def normalised(number: str, settings: "Settings", *, called: str = "the number") -> str:
    """The number as the database has it, of the region in the settings. Raises `Refused`, which calls it `called`."""
    from campaigns.numbers import InvalidNumber, Normaliser

    try:
        return Normaliser(settings.region).normalise(number)
    except InvalidNumber as error:
        raise Refused(f"{called} cannot be used: {error.reason}; write it as +39 333 123 4567") from None


def all_normalised(numbers: Sequence[str], settings: "Settings") -> list[str]:
    """As `normalised`, for several: which cannot be used is told by its place, for no number is shown in full."""
    if len(numbers) == 1:
        return [normalised(numbers[0], settings)]
    many = len(numbers)
    return [normalised(number, settings, called=f"number {place} of {many}") for place, number in enumerate(numbers, 1)]
