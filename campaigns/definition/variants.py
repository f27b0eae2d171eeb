"""Several texts in one campaign, each for its share of the people."""

from collections import Counter
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field

from campaigns.definition.part import Part
from campaigns.definition.sources import at_most
from campaigns.values.scalars import TEXTS, NeededText, Scalar, refuse, whole_number


def _read_variant_name(text: str) -> str:
    if not text:
        refuse("is empty", "give it a name, such as a")
    return text if len(text) <= 40 else refuse("has more than 40 characters", "give it a short name, such as a")


MAX_VARIANTS: Final = 100
"""Each has at least one percent."""


class Variant(Part):
    """One of several texts."""

    name: Annotated[str, Scalar(str, _read_variant_name, str, {"type": TEXTS, "minLength": 1, "maxLength": 40})] = (
        Field(description="Its name in reports.", examples=["a"])
    )
    share: Annotated[int, whole_number(1, 100)] = Field(
        description="Its share of those who get a text, in percent.", examples=[50]
    )
    message: NeededText = Field(description="Its text, as `message`.", examples=["Hi {{ first_name }}"])


def _adding_up(variants: tuple[Variant, ...]) -> tuple[Variant, ...]:
    names = [variant.name.casefold() for variant in variants]
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        refuse(f"have two called {twice}", "give each a name of its own")
    total = sum(variant.share for variant in variants)
    if variants and total != 100:
        refuse(f"have shares that add up to {total}", "make them add up to 100")
    return variants


Variants = Annotated[tuple[Variant, ...], BeforeValidator(at_most(MAX_VARIANTS)), AfterValidator(_adding_up)]
