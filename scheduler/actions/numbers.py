"""Numbers as people type them."""

from collections.abc import Sequence

from campaigns.phone_numbers.numbers import InvalidNumber, Normaliser
from scheduler.actions.refusals import Refusal, Refused


def normalised(number: str, region: str | None, *, called: str = "the number") -> str:
    """Return the number in E.164, in this region if it has no +country. Raises `Refused`, naming it as `called`."""
    try:
        return Normaliser(region).normalise(number)
    except InvalidNumber as error:
        sentence = f"{called} cannot be used: {reason_here(error)}; write it as +39 333 123 4567"
        raise Refused(Refusal.INVALID, sentence) from None


def reason_here(error: InvalidNumber) -> str:
    """Return what is wrong with a number that somebody typed: here no campaign file says which country it is of."""
    return "has no country code, and CAMPAIGNS_REGION is not set" if error.lacks_country else error.reason


def all_normalised(numbers: Sequence[str], region: str | None) -> list[str]:
    """Like `normalised`, for several. Invalid numbers are named by their position: no number is shown in full."""
    if len(numbers) == 1:
        return [normalised(numbers[0], region)]
    many = len(numbers)
    return [normalised(number, region, called=f"number {place} of {many}") for place, number in enumerate(numbers, 1)]
