"""The numbers that were seen, compared with a dict."""

from hypothesis import given
from hypothesis import strategies as st

from campaigns.phone_numbers.seen import FirstRows

numbers = st.integers(1, 40) | st.integers(10**10, 10**10 + 40) | st.integers(1, 2**64 - 1)


@given(st.lists(numbers, max_size=200))
def test_the_first_row_of_a_number_is_remembered(shown: list[int]) -> None:
    rows, expected = FirstRows(), dict[int, int]()
    for row, number in enumerate(shown):
        assert rows.get(number) == expected.get(number)
        if number not in expected:
            rows.add(number, row)
            expected[number] = row
    assert len(rows) == len(expected)
    assert all(rows.get(number) == row for number, row in expected.items())


def test_a_table_that_grows_forgets_nobody() -> None:
    rows = FirstRows()
    for n in range(20_000):
        assert rows.get(393_330_000_001 + n) is None  # another one was looked up last
        rows.add(393_330_000_000 + n, n)
    assert [rows.get(393_330_000_000 + n) for n in (0, 4_095, 19_999, 20_000)] == [0, 4_095, 19_999, None]
