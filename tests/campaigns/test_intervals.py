"""Intervals, checked against values that were published or worked out elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.intervals import difference, wilson


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        (
            81,
            263,
            0.2553,
            0.3662,
        ),  # these four: Newcombe 1998, "... for the single proportion", table I
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_known_shares(count: int, of: int, low: float, high: float) -> None:
    assert wilson(count, of) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),  # these four: Newcombe 1998, "Interval estimation for the difference", II
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_known_differences(first: tuple[int, int], second: tuple[int, int], low: float, high: float) -> None:
    assert difference(*first, *second) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_share_lies_in_its_interval(count: int, others: int) -> None:
    low, high = wilson(count, count + others)

    assert 0 <= low <= high <= 1
    if count + others:
        assert low - 1e-12 <= count / (count + others) <= high + 1e-12
