"""The longest prefix wins, then the narrower device, then the latest day that has come."""

from collections.abc import Iterable
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.money.prices import ANY, PriceRow, Prices

TODAY = date(2026, 12, 1)
DEVICES = (ANY, "1", "2", "1|0", "1|1", "2|0")
TARGETS = (ANY, "1", "2", "3", "1|0", "2|1", "1,2", "1|0,2")

rows = st.builds(
    PriceRow,
    st.text("34", min_size=1, max_size=4),
    st.sampled_from(DEVICES),
    st.integers(0, 90),
    st.none() | st.integers(-2, 2).map(lambda days: TODAY + timedelta(days=days)),
)
lists = st.lists(rows, min_size=1, max_size=14, unique_by=lambda row: (row.prefix, row.device, row.since))


def best(found: Iterable[PriceRow], digits: str) -> PriceRow | None:
    """The rule in one line."""
    fitting = [row for row in found if digits.startswith(row.prefix) and (row.since is None or row.since <= TODAY)]
    return max(
        fitting,
        key=lambda row: (len(row.prefix), bool(row.device) + ("|" in row.device), row.since or date.min),
        default=None,
    )


def phone(device: str) -> str:
    return device.partition("|")[0]


def expected(found: list[PriceRow], target: str, digits: str) -> int | None:
    """What the documents say, row by row."""
    named = [each for each in target.split(",") if each]
    mine = {ANY, *named, *map(phone, named)} if len(named) == 1 else {ANY}
    usual = best((row for row in found if row.device in mine), digits)
    if usual is not None:
        return usual.millionths
    devices = {row.device for row in found if row.device}
    may_be = [
        device
        for device in devices | set(named)
        if not named or any(device == each or phone(device) == each for each in named)
    ]
    every = [best((row for row in found if row.device in {device, phone(device)}), digits) for device in may_be]
    return max((row.millionths for row in every if row is not None), default=None)


@given(lists, st.sampled_from(TARGETS), st.text("34", min_size=5, max_size=6))
def test_the_rule(found: list[PriceRow], target: str, digits: str) -> None:
    price = Prices("EUR", tuple(found)).tariff(target, TODAY).price_of(f"+{digits}")

    assert (price and price.millionths) == expected(found, target, digits)
    if price is not None:
        assert digits.startswith(price.prefix)


@pytest.mark.parametrize(
    ("day", "millionths"), [(TODAY - timedelta(days=1), 40), (TODAY, 50), (TODAY + timedelta(days=40), 60)]
)
def test_a_price_holds_from_its_day_on(day: date, millionths: int) -> None:
    prices = Prices(
        "EUR",
        (
            PriceRow("39", ANY, 40),
            PriceRow("39", ANY, 50, TODAY),
            PriceRow("39", ANY, 60, TODAY + timedelta(days=30)),
        ),
    )
    found = prices.tariff(ANY, day).price_of("+393331234567")
    assert found is not None
    assert found.millionths == millionths


def test_a_price_of_single_phones_is_the_dearest_that_may_apply() -> None:
    prices = Prices("EUR", (PriceRow("39", "1", 40), PriceRow("39", "2", 70), PriceRow("49", ANY, 10)))

    of_any = prices.tariff(ANY, TODAY)
    assert of_any.price_of("+393331234567") == (70, "39", True)
    assert of_any.price_of("+491701234567") == (10, "49", False)
    assert prices.tariff("1", TODAY).price_of("+393331234567") == (40, "39", False)
    assert of_any.price_of("+12025550100") is None
