"""Whether two spellings are of one number, or of one text."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

FAR: Final = 7
"""Digits by which two spellings of a number are compared, if one has no country code."""


FEWEST: Final = 4
"""Characters that a text must have besides its fields to be known by them."""


def plus(number: str) -> str:
    """Return a number with its plus, as rows have it."""
    return "+" + "".join(filter(str.isdecimal, number))


def same_number(one: str, other: str) -> bool:
    """Return whether two spellings are of one number: the same digits, or one lacks the country code."""
    digits = ["".join(filter(str.isdecimal, number)).lstrip("0") for number in (one, other)]
    short, long = sorted(digits, key=len)
    return short == long or (len(short) >= FAR and long.endswith(short))


def same_text(shown: str, sent: str) -> bool:
    """Return whether the gateway's text is the one that was sent: a server may add a footer, and lose blanks."""
    return " ".join(shown.split()).startswith(" ".join(sent.split()))


def patterns_of(definition: Mapping[str, Any]) -> Iterator[re.Pattern[str]]:
    """Yield what the texts of a campaign look like, whatever its fields are; not for one that is all fields."""
    parts = (definition, *(definition.get("variants") or ()), *(definition.get("steps") or ()))
    texts = [each.get("message") for each in parts]
    texts += [each.get("message") for step in definition.get("steps") or () for each in step.get("variants") or ()]
    for text in filter(None, texts):
        fixed = [" ".join(part.split()) for part in re.split(r"\{\{.*?\}\}|\{%.*?%\}", str(text), flags=re.DOTALL)]
        if any(len(part) >= FEWEST for part in fixed):
            yield re.compile(r"\s*" + ".*".join(re.escape(part).replace(r"\ ", r"\s+") for part in fixed), re.DOTALL)
