"""A number as logs and messages may show it."""

from typing import Final

from campaigns.phone_numbers.pseudonyms import is_pseudonym

SHORTEST_ANYWHERE: Final = 7  # digits; a shorter number is a short code, or valid in too many countries


def mask(number: str) -> str:
    """Return an international number as `+39…67`; of any other cell at most the last two digits, and no letter.

    What stands for somebody who was erased is no number, and stays as it is.
    """
    if number[:1] == "#" and is_pseudonym(number):
        return number
    digits = "".join(filter(str.isdecimal, number))
    ends = digits[-2:] if len(digits) >= SHORTEST_ANYWHERE else ""
    return f"{number[:3]}…{ends}" if ends and number == "+" + digits else f"…{ends}"
