"""How sure a share is: intervals in which it lies with 95 % confidence."""

import math
from typing import Final, NamedTuple

Z: Final = 1.959963984540054
"""The 97.5 % point of the normal distribution: two sides, 95 % between them."""


class Interval(NamedTuple):
    """From `low` to `high`, both included."""

    low: float
    high: float


def wilson(count: int, of: int) -> Interval:
    """Wilson's score interval for `count` out of `of`: right for small groups and for shares near 0 and 1, too.

    Nothing is known of nobody: 0 to 1. E. B. Wilson, J. Am. Stat. Assoc. 22 (1927), without correction for continuity.
    """
    if not of:
        return Interval(0.0, 1.0)
    share, square = count / of, Z * Z
    middle = share + square / (2 * of)
    spread = Z * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    whole = 1 + square / of
    return Interval(max(0.0, (middle - spread) / whole), min(1.0, (middle + spread) / whole))


def difference(count: int, of: int, other: int, of_other: int) -> Interval:
    """The interval for the first share less the second, from their Wilson intervals (Newcombe 1998, method 10).

    Where 0 lies in it, the two may be equal.
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
