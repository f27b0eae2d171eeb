"""How certain a share is: its 95 % confidence intervals."""

import math
from typing import Final, NamedTuple

Z: Final = 1.959963984540054
"""The 97.5 % quantile of the normal distribution: 95 % lie between its two sides."""


class Interval(NamedTuple):
    """From `low` to `high`, both included."""

    low: float
    high: float


def wilson(count: int, of: int) -> Interval:
    """Return Wilson's score interval for `count` out of `of`. It also holds for small groups and shares near 0 and 1.

    An empty group gives 0 to 1. E. B. Wilson, J. Am. Stat. Assoc. 22 (1927), without continuity correction.
    """
    if not of:
        return Interval(0.0, 1.0)
    share, square = count / of, Z * Z
    middle = share + square / (2 * of)
    spread = Z * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    whole = 1 + square / of
    return Interval(max(0.0, (middle - spread) / whole), min(1.0, (middle + spread) / whole))


def difference(count: int, of: int, other: int, of_other: int) -> Interval:
    """Return the interval for the first share minus the second, from their Wilson intervals (Newcombe 1998, method 10).

    If it contains 0, the two may be equal.
    """
    first, second = wilson(count, of), wilson(other, of_other)
    share, other_share = _share(count, of), _share(other, of_other)
    gap = share - other_share
    return Interval(
        gap - math.hypot(share - first.low, second.high - other_share),
        gap + math.hypot(first.high - share, other_share - second.low),
    )


def _share(count: int, of: int) -> float:
    return count / of if of else 0.0
