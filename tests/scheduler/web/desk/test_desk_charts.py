"""Charts, read as text."""

import re

import pytest

from campaigns.lifecycle import RecipientState as State
from scheduler.web.desk.charts import LOOKS, NARROWEST, WIDTH, bar, widths


@pytest.mark.parametrize(
    "counts",
    [
        {State.DELIVERED: 1},
        {State.DELIVERED: 1, State.FAILED: 1, State.HELD: 1},
        {State.DELIVERED: 10_000_000, State.HELD: 1},
        {State.PENDING: 7, State.SENT: 0, State.IN_DOUBT: 2},
        {state: place**4 + 1 for place, state in enumerate(State)},
    ],
)
def test_a_bar_adds_up_and_shows_everybody(counts: dict[State, int]) -> None:
    found = widths(counts)
    assert sum(found.values()) == WIDTH
    assert set(found) == {state for state, people in counts.items() if people}
    assert min(found.values()) >= NARROWEST
    pieces = [(int(x), int(width)) for x, width in re.findall(r'x="(\d+)" y="0" width="(\d+)"', bar(counts))]
    assert [x for x, _ in pieces] == [sum(width for _, width in pieces[:place]) for place in range(len(pieces))]


def test_a_bar_says_what_it_shows_without_style() -> None:
    drawn = bar({State.DELIVERED: 2_400, State.IN_DOUBT: 1})
    assert ">2,400 delivered</title>" in drawn
    assert ">1 in doubt</title>" in drawn
    assert "style" not in drawn
    assert set(re.findall(r'rect class="(\w+)"', drawn)) == {LOOKS[State.DELIVERED], LOOKS[State.IN_DOUBT]}


def test_there_is_no_bar_of_nobody() -> None:
    assert bar({State.DELIVERED: 0}) == bar({}) == ""
