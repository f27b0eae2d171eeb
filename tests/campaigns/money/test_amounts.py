"""Amounts of money are exact, however they are written."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.money.amounts import MILLIONTHS, MoneyAmount, decimal_of, parse_amount, parse_decimal


@given(st.integers(0, 999_999_999 * MILLIONTHS))
def test_a_decimal_is_read_back_as_it_was_written(millionths: int) -> None:
    written = decimal_of(millionths)

    assert parse_decimal(written) == millionths
    assert Decimal(written) * MILLIONTHS == millionths
    assert len(written.partition(".")[2]) >= 2


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("500 EUR", MoneyAmount(500_000_000, "EUR")),
        ("12.5 eur", MoneyAmount(12_500_000, "EUR")),
        ("0.000001USD", MoneyAmount(1, "USD")),
    ],
)
def test_an_amount_is_a_number_and_a_currency(written: str, amount: MoneyAmount) -> None:
    assert parse_amount(written) == amount
    assert parse_amount(str(amount)) == amount


@pytest.mark.parametrize("written", ["500", "EUR", "5,00 EUR", "-1 EUR", "1e3 EUR", "0.0000001 EUR", "5 EURO", "0 EUR"])
def test_anything_else_is_none(written: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_amount(written)
