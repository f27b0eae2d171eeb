"""Control group and variants: exact shares, stable for each person, and fair for any audience."""

from array import array
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.planning.splitting import BEYOND, CONTROL, PersonHash, Split, split_of

NUMBERS = [f"+39333{place:07}" for place in range(100_000)]


def hashes(numbers: Sequence[str], campaign: str = "spring-sale") -> "array[int]":
    hash_of = PersonHash(campaign).of
    return array("Q", map(hash_of, numbers))


def parts(people: "array[int]", split: Split) -> Counter[int]:
    return Counter(map(split.part, people))


def test_a_hundred_thousand_people_are_shared_out_to_within_one() -> None:
    people = hashes(NUMBERS)

    found = parts(people, split_of(people, holdout=7, shares=[33, 33, 34]))

    assert found == {CONTROL: 7_000, 1: 30_690, 2: 30_690, 3: 31_620}


def test_a_restart_changes_nobody_and_neither_does_the_order_of_the_audience() -> None:
    people = hashes(NUMBERS)
    split = split_of(people, holdout=5, shares=[50, 50])

    again = hashes(NUMBERS[::-1])[::-1]

    assert split_of(again, holdout=5, shares=[50, 50]) == split
    assert [split.part(person) for person in again] == [split.part(person) for person in people]


def test_a_hash_is_the_same_on_every_machine_for_ever() -> None:
    assert [PersonHash("spring-sale").of(number) for number in NUMBERS[:2]] == [
        15_540_547_290_544_523_296,
        4_006_348_839_212_603_181,
    ]


def test_campaigns_divide_people_independently_of_each_other() -> None:
    first, second = hashes(NUMBERS), hashes(NUMBERS, "summer-sale")
    split, other = split_of(first, holdout=0, shares=[50, 50]), split_of(second, holdout=0, shares=[50, 50])

    both = sum(split.part(a) == other.part(b) == 1 for a, b in zip(first, second, strict=True))

    assert 24_500 < both < 25_500  # a quarter; 3.6 standard deviations to either side


def test_few_come_into_another_part_when_the_audience_grows() -> None:
    before = hashes(NUMBERS[:90_000])
    split = split_of(before, holdout=5, shares=[50, 50])
    after = split_of(hashes(NUMBERS), holdout=5, shares=[50, 50])

    moved = sum(split.part(person) != after.part(person) for person in before)

    assert moved < 500


def test_whoever_is_new_has_a_place_in_the_split_of_the_others() -> None:
    split = split_of(hashes(NUMBERS[:90_000]), holdout=10, shares=[50, 50])

    found = parts(hashes(NUMBERS[90_000:]), split)

    assert all(abs(found[part] - share) < 250 for part, share in {CONTROL: 1_000, 1: 4_500, 2: 4_500}.items())


@pytest.mark.parametrize("how_many", [0, 1, 2, 3])
def test_without_a_control_group_nobody_ever_is_in_it(how_many: int) -> None:
    split = split_of(hashes(NUMBERS[:how_many]), holdout=0, shares=[1, 99])

    assert parts(hashes(NUMBERS[:1_000]), split)[CONTROL] == 0


@given(
    st.lists(st.integers(0, BEYOND - 1), unique=True, max_size=300),
    st.integers(0, 99),
    st.lists(st.integers(1, 100), min_size=1, max_size=6).map(lambda shares: [*shares[:-1], 100 - sum(shares[:-1])]),
)
def test_every_part_has_its_share_to_within_one(numbers: list[int], holdout: int, shares: list[int]) -> None:
    if shares[-1] < 1:
        return
    found = parts(array("Q", numbers), split_of(array("Q", numbers), holdout=holdout, shares=shares))

    assert abs(found[CONTROL] - len(numbers) * holdout / 100) <= 0.5
    rest = len(numbers) - found[CONTROL]
    assert all(abs(found[part] - rest * share / 100) <= 1 for part, share in enumerate(shares, start=1))
    assert found.total() == len(numbers)
