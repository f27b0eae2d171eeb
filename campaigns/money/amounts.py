"""Amounts of money: whole millionths of a currency inside, decimals where people read and write them. Never floats."""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from campaigns.values.scalars import Scalar, refuse, shown

MILLIONTHS: Final = 1_000_000
"""In one unit of a currency. Prices of texts have four decimals, and some have five."""

HINT: Final = "write a number and a currency, such as 500 EUR or 12.50 EUR"

_DECIMAL: Final = r"([0-9]{1,9})(?:\.([0-9]{1,6}))?"
_AMOUNT: Final = re.compile(rf"{_DECIMAL} ?([A-Za-z]{{3}})")
_CURRENCY: Final = re.compile("[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class MoneyAmount:
    """So many millionths of a currency (ISO 4217)."""

    millionths: int
    currency: str

    def __str__(self) -> str:
        return f"{decimal_of(self.millionths)} {self.currency}"


def decimal_of(millionths: int) -> str:
    """Return an exact decimal with at least two places: `12.40`, `0.0745`."""
    units, rest = divmod(abs(millionths), MILLIONTHS)
    return f"{'-' if millionths < 0 else ''}{units}.{f'{rest:06}'.rstrip('0').ljust(2, '0')}"


def parse_decimal(text: str) -> int:
    """Parse a decimal such as `0.0745` into millionths. Raises ValueError, without a sentence."""
    match = re.fullmatch(_DECIMAL, text)
    if match is None:
        raise ValueError(text)
    return _millionths(match[1], match[2])


def parse_currency(text: str) -> str:
    """Parse a currency: three letters, as `EUR`. Raises ValueError, without a sentence."""
    if not _CURRENCY.fullmatch(currency := text.upper()):
        raise ValueError(text)
    return currency


def parse_amount(text: str) -> MoneyAmount:
    """Parse an amount such as `500 EUR`, above zero. Raises ValueError."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        refuse(f"must be an amount of money, not {shown(text)}", HINT)
    amount = MoneyAmount(_millionths(match[1], match[2]), match[3].upper())
    if not amount.millionths:
        refuse("must be more than 0", "to send nothing, pause the campaign")
    return amount


def _millionths(units: str, decimals: str | None) -> int:
    return int(units) * MILLIONTHS + int((decimals or "").ljust(6, "0"))


Money = Annotated[
    MoneyAmount,
    Scalar(MoneyAmount, parse_amount, str, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?[A-Za-z]{3}$"}),
]
"""An amount of money in a campaign file."""
