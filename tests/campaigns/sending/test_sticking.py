"""Everybody has one phone, each phone its share of people, and one that is gone moves only its own."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from campaigns.sending.sticking import Ranking

numbers = st.integers(0, 10**10 - 1).map("+39{:010}".format)
fleets = st.lists(st.integers(1, 10_000).map(str) | st.integers(1, 50).map("{}|0".format), min_size=1, max_size=40).map(
    lambda names: list(dict.fromkeys(names))
)


@given(fleets, numbers)
def test_the_order_of_the_phones_in_the_file_decides_nothing(fleet: list[str], number: str) -> None:
    assert Ranking(sorted(fleet)).ranked(number) == Ranking(fleet).ranked(number)
    assert Ranking(fleet).first(number) == Ranking(fleet).ranked(number)[0]


@given(fleets, st.lists(numbers, max_size=30), st.data())
def test_without_a_phone_its_people_move_to_their_next_one_and_nobody_else_does(
    fleet: list[str], people: list[str], data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(fleet))
    before, after = Ranking(fleet), Ranking([phone for phone in fleet if phone != gone])
    if not after.phones:
        return
    for number in people:
        order = [phone for phone in before.ranked(number) if phone != gone]
        assert after.ranked(number) == order


def test_each_phone_has_its_share_of_people_also_of_those_of_one_that_is_gone() -> None:
    """Within six standard deviations, for fleets of several sizes."""
    people = [f"+39{place:010}" for place in range(40_000)]
    for size in (2, 3, 10, 50):
        ranking = Ranking([str(phone) for phone in range(1, size + 1)])
        first = Counter(ranking.first(number) for number in people)
        second = Counter(ranking.ranked(number)[1] for number in people[:10_000] if ranking.first(number) == "1")
        for found, among in ((first, size), (second, size - 1)):
            expected = found.total() / among
            assert len(found) == among
            assert all(abs(count - expected) < 6 * expected**0.5 for count in found.values()), found


def test_the_phone_of_a_person_is_the_same_in_every_version() -> None:
    ranking = Ranking(["1", "2|0", "2|1", "7"])

    found = [ranking.first(f"+3933300000{place:02}") for place in range(10)]

    assert found == ["2|1", "2|1", "1", "1", "2|0", "2|1", "2|1", "2|0", "2|0", "2|1"]
