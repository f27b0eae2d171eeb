"""Spreading a run: evenly, exact to a person, within its time."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from campaigns.definition.schedule import RampStep, Schedule, Spread
from campaigns.timing.spreading import offsets

HOUR = timedelta(hours=1)
lengths = st.integers(1, 48 * 3600).map(lambda seconds: timedelta(seconds=seconds))
ramps = st.lists(st.tuples(st.integers(1, 40), lengths), max_size=2).map(
    lambda steps: tuple(RampStep(share=share, over=over) for share, over in steps)
)


@given(st.integers(1, 300), lengths, ramps)
def test_a_spread_is_even_ordered_and_within_its_time(total: int, rest: timedelta, ramp: tuple[RampStep, ...]) -> None:
    over = rest + sum((step.over for step in ramp), timedelta())
    offset = offsets(total, over, ramp)

    turns = [offset(position) for position in range(total)]

    assert all(before <= after for before, after in pairwise(turns))
    assert timedelta() <= turns[0]
    assert turns[-1] < over
    # then every step has its share, rounded down over all steps so far, at equal distances
    share, begins = 0, timedelta()
    for step_share, length in [*((step.share, step.over) for step in ramp), (100 - sum(s.share for s in ramp), rest)]:
        first = total * share // 100
        share += step_share
        size = total * share // 100 - first
        inside = [turn - begins for turn in turns if begins <= turn < begins + length]
        assert len(inside) == size
        assert all(abs(turn - length * index / size) < timedelta(milliseconds=1) for index, turn in enumerate(inside))
        begins += length


def test_a_million_people_over_three_hours_a_tenth_in_the_first() -> None:
    offset = offsets(1_000_000, 3 * HOUR, [RampStep(share=10, over=HOUR)])

    assert offset(0) == timedelta()
    assert offset(99_999) < HOUR == offset(100_000)
    assert offset(550_000) == 2 * HOUR
    assert offset(999_999) == 3 * HOUR - timedelta(seconds=7200) / 900_000


def test_a_spread_is_written_short_or_with_its_ramp() -> None:
    short = Schedule.model_validate({"spread": "3h"}).spread
    long = Schedule.model_validate({"spread": {"over": "3h", "ramp": [{"share": "10", "over": "1h"}]}}).spread

    assert short == Spread(over=3 * HOUR)
    assert long == Spread(over=3 * HOUR, ramp=(RampStep(share=10, over=HOUR),))
    assert Schedule.model_validate_json(Schedule(spread=long).model_dump_json()).spread == long


@pytest.mark.parametrize(
    ("spread", "phrase"),
    [
        ("soon", "must be a length of time"),
        (
            {"over": "1h", "ramp": [{"share": "60", "over": "1m"}, {"share": "50", "over": "1m"}]},
            "covers 110 % of the audience",
        ),
        ({"over": "1h", "ramp": [{"share": "10", "over": "1h"}]}, "takes 1h of 1h, and 90 % are left"),
        ({"over": "1h", "ramp": [{"share": "100", "over": "2h"}]}, "takes 2h of 1h"),
        ({"over": "3h", "ramp": [{"share": "100", "over": "1h"}]}, "reaches everybody after 1h of 3h"),
        ({"over": "3h", "ramp": [{"share": "0", "over": "1h"}]}, "must be a whole number from 1 to 100"),
    ],
)
def test_a_spread_that_contradicts_itself_is_refused(spread: object, phrase: str) -> None:
    with pytest.raises(ValidationError, match=phrase):
        Schedule.model_validate({"spread": spread})
