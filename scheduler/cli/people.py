"""Numbers as people type them."""

from typing import TYPE_CHECKING

from scheduler.cli.errors import Refused

if TYPE_CHECKING:
    from worker.settings import Settings


def normalised(number: str, settings: "Settings") -> str:
    """The number as the database has it, of the region in the settings. Raises `Refused`."""
    from campaigns.numbers import InvalidNumber, Normaliser

    try:
        return Normaliser(settings.region).normalise(number)
    except InvalidNumber as error:
        raise Refused(f"the number cannot be used: {error.reason}; write it as +39 333 123 4567") from None
