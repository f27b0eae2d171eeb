"""Who is in the control group and who gets which variant: by a hash of campaign and number, in exact shares.

A hash depends neither on chance nor on the run: a restart, a new plan of the same audience, the next run of a campaign
that repeats and a resend give everybody the same variant. All people are ranked by their hashes, and the ranks are cut
into the control group and the variants, so that each has its share to within one person. The cuts are kept as hashes,
so people who join the audience later have a place, too.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from typing import Final

BEYOND: Final = 2**64
"""Larger than every hash."""

CONTROL: Final = 0
"""The part of the people who get nothing. The variants are the parts after it."""


class PersonHash:
    """A number from 0 to 2**64 - 1 for each person: always the same in one campaign, unrelated in another."""

    def __init__(self, campaign: str) -> None:
        self._campaign = blake2b(f"{campaign}\0".encode(), digest_size=8)

    def of(self, number: str) -> int:
        """Return the hash of a number (E.164)."""
        digest = self._campaign.copy()
        digest.update(number.encode())
        return int.from_bytes(digest.digest())


@dataclass(frozen=True, slots=True)
class Split:
    """How people are cut into parts. `cuts` is ascending and holds the first hash after each part except the last."""

    cuts: tuple[int, ...]

    def part(self, person: int) -> int:
        """Return the part of the person with this hash: `CONTROL`, or the place of a variant, from 1."""
        return bisect_right(self.cuts, person)


def split_of(people: "array[int]", *, holdout: int, shares: Sequence[int]) -> Split:
    """Cut people, given by their hashes, into `holdout` percent of all and `shares` (percent) of the others.

    Each part has its share to within one person. Takes about 45 bytes a person while it works.
    """
    ranked = sorted(people)
    held_out = _rounded(len(ranked) * holdout)
    rest = len(ranked) - held_out
    ends = [held_out, *(held_out + _rounded(rest * share) for share in accumulate(shares))]
    # An empty part stays empty, whoever joins later: 0 is below every hash.
    return Split(tuple(0 if not end else ranked[end] if end < len(ranked) else BEYOND for end in ends[:-1]))


def _rounded(hundredths: int) -> int:
    return (hundredths + 50) // 100
