"""Charts, read as text."""

import re
from typing import Any

import pytest

from campaigns.following.course import Bottleneck
from campaigns.lifecycle import RecipientState as State
from scheduler.report.course import Kept, SeenCourse
from scheduler.web.desk.charts import (
    LOOKS,
    NARROWEST,
    WIDTH,
    bar,
    course,
    course_rows,
    kept_back,
    kept_rows,
    strip,
    widths,
)


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


def seen(lines: int = 3, **more: Any) -> SeenCourse:
    """A run that handed over, sent and delivered ten texts in 100 s, and has a forecast of 20 in 200 s."""
    line = [(1_000.0, 0), (1_100.0, 10)]
    known = (Kept(1_000.0, 1_080.0, Bottleneck.RATE), Kept(1_080.0, 1_100.0, Bottleneck.PAUSE))
    values: dict[str, Any] = {"forecast": [(1_000.0, 0), (1_200.0, 20)], "ahead_until": 1_200.0, "kept": known}
    return SeenCourse(tuple([line] * lines), **(values | more))


def test_a_course_has_its_lines_on_the_band_of_its_forecast() -> None:
    drawn = course(seen(behind=50.0))
    points = {name: points.split() for name, points in re.findall(r'class="(\w+)" points="([^"]+)"', drawn)}
    assert set(points) == {"band", "planned", "k0", "k1", "k2"}
    assert (points["planned"][0], points["planned"][-1]) == ("0,300.0", "1000,1.0")
    # half of the forecast is reached at half time, and the line ends there
    assert points["k2"][-1] == "500,150.5"
    # the band is between what was forecast and the same 50 s later
    assert points["band"][:121] == points["planned"]
    later = points["band"][:120:-1]
    assert (later[30], later[-1]) == ("250,300.0", "1000,75.8")
    assert 'aria-label="Over time: handed over 10, sent by a phone 10, delivered 10"' in drawn
    assert "style" not in drawn


def test_a_course_says_the_same_in_tables() -> None:
    rows = course_rows(seen())
    assert [at.timestamp() for at, _ in rows][::11] == [1_000, 1_200]
    assert rows[0][1] == [0, 0, 0, 0]
    assert rows[-1][1] == [None, None, None, 20]  # only the forecast lies ahead
    assert [(at.timestamp(), words) for at, words in kept_rows(seen())] == [(1_000, "its rate"), (1_080, "a pause")]
    assert kept_back(seen()) == [("its rate", "set", 80), ("a pause", "bad", 20)]


def test_what_kept_a_run_back_stands_below_its_times() -> None:
    pieces = re.findall(r'class="(\w+)" x="([\d.]+)" y="0" width="([\d.]+)"', strip(seen()))
    assert pieces == [("set", "0.0", "400.0"), ("bad", "400.0", "100.0")]


def test_there_is_no_course_of_nothing() -> None:
    nothing = SeenCourse(((), (), ()))
    assert course(nothing) == strip(nothing) == ""
    assert course(seen(kept=(), forecast=(), ahead_until=None)) != ""
