"""Durations, rates, targets and days: what people may write, and what it becomes."""

from contextlib import suppress
from datetime import time, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from campaigns.definition import Definition, Devices, Rate, Target, Throughput, Window
from campaigns.definition.windows import format_days, parse_days, parse_time
from campaigns.values.durations import format_duration, parse_duration
from campaigns.values.rates import UNITS, parse_rate
from campaigns.values.scalars import nearest, shown
from campaigns.values.targets import parse_target


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("72h", timedelta(hours=72)),
        ("30m", timedelta(minutes=30)),
        ("7d", timedelta(days=7)),
        ("90s", timedelta(seconds=90)),
        ("1d12h", timedelta(hours=36)),
        ("1h 30m", timedelta(minutes=90)),
        ("2H", timedelta(hours=2)),
    ],
)
def test_a_length_of_time(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "h", "5", "0s", "-1h", "1.5h", "1h1d", "٣h", "1w", "999999999d", "1h, 2m"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_duration(text)


@given(st.integers(1, 366 * 86_400))
def test_a_length_of_time_is_written_as_it_is_read(seconds: int) -> None:
    duration = timedelta(seconds=seconds)

    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("text", "rate", "per_second"),
    [
        ("30/minute", Rate(30, timedelta(minutes=1)), 0.5),
        ("2/second", Rate(2, timedelta(seconds=1)), 2.0),
        ("1800 / hour", Rate(1800, timedelta(hours=1)), 0.5),
    ],
)
def test_a_rate(text: str, rate: Rate, per_second: float) -> None:
    assert parse_rate(text) == rate
    assert rate.per_second == per_second


@pytest.mark.parametrize(
    "text", ["", "30", "/minute", "30/day", "1.5/second", "-1/hour", "30 per minute", "9" * 50 + "/hour"]
)
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_rate(text)


@given(st.integers(1, 100_000), st.sampled_from(sorted(UNITS.values())))
def test_a_rate_is_written_as_it_is_read(count: int, per: timedelta) -> None:
    assert parse_rate(str(Rate(count, per))) == Rate(count, per)


def test_no_rate_is_a_rate_too() -> None:
    assert Throughput.model_validate({"rate": "none"}).rate is None


@pytest.mark.parametrize(("text", "size"), [("auto", None), ("1", 1), ("500", 500)])
def test_a_batch_size(text: str, size: int | None) -> None:
    assert Throughput.model_validate({"batch_size": text}).batch_size == size


@pytest.mark.parametrize(("text", "target"), [("1", Target(1)), ("2|0", Target(2, 0)), ("31|1", Target(31, 1))])
def test_a_target_is_written_as_it_is_read(text: str, target: Target) -> None:
    assert parse_target(text) == target
    assert str(target) == text


@pytest.mark.parametrize("text", ["", "0", "a", "1|", "|1", "1|2|3", "1,2", "-1", "²"])
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(ValueError, match="must be a device id"):
        parse_target(text)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("daily", {0, 1, 2, 3, 4, 5, 6}),
        ("mon-sat", {0, 1, 2, 3, 4, 5}),
        ("mon\u2013sat", {0, 1, 2, 3, 4, 5}),
        ("Mon – Wed, sat", {0, 1, 2, 5}),
        ("mon,wed,fri", {0, 2, 4}),
        ("Sat, Sun", {5, 6}),
        ("sat-mon", {5, 6, 0}),
        ("mon-wed,fri", {0, 1, 2, 4}),
    ],
)
def test_days_of_the_week(text: str, days: set[int]) -> None:
    assert parse_days(text) == days
    assert parse_days(format_days(parse_days(text))) == days


@pytest.mark.parametrize("text", ["", ",", "mon-", "monday", "mo", "mon-tue-wed", "weekdays"])
def test_what_is_no_day_of_the_week(text: str) -> None:
    with pytest.raises(ValueError, match="must name days"):
        parse_days(text)


@pytest.mark.parametrize(
    ("text", "at"), [("09:00", time(9)), ("9:05", time(9, 5)), ("23:59", time(23, 59)), ("24:00", time())]
)
def test_a_time_of_day(text: str, at: time) -> None:
    assert parse_time(text) == at


@pytest.mark.parametrize("text", ["", "9", "9:5", "24:01", "12:60", "09.00", "9:00 am"])
def test_what_is_no_time_of_day(text: str) -> None:
    with pytest.raises(ValueError, match="must be a time of day"):
        parse_time(text)


@pytest.mark.parametrize(
    ("word", "flag"), [("true", True), ("Yes", True), ("ON", True), ("False", False), ("no", False)]
)
def test_yes_and_no_in_all_their_spellings(word: str, flag: bool) -> None:
    assert Devices.model_validate({"use": ["1", "2"], "random": word}).random is flag


def test_a_window_has_all_days_unless_it_names_some() -> None:
    assert len(Window.model_validate({"from": "09:00", "to": "20:00"}).root[0].days) == 7


def test_long_values_are_cut_and_suggestions_are_near() -> None:
    assert shown("x" * 100) == f"'{'x' * 39}…'"
    assert nearest("PHONE_NUMBR", ["phone_number", "name"]) == "phone_number"
    assert nearest("colour", ["phone_number", "name"]) == ""


EXTREMES: Final[tuple[Any, ...]] = (
    "9" * 5000, "-" + "9" * 30, "9999-12-31", "0001-01-01", "9999-12-31 23:59", "0001-01-01 00:00+14:00", "99999d",
    "1e400", "nan", "9" * 30 + "/second", "99:99", f"*/{'9' * 5000} * * * *", f"1-{'9' * 6000} * * * *", "\ud800", "²",
    "٣d", 10**400, float("inf"), float("nan"), True, [], {}, [10**400],
)  # fmt: skip
KEYS = (
    "schedule.start", "schedule.repeat", "schedule.repeat.cron", "schedule.repeat.until", "schedule.window.except",
    "schedule.window.from", "schedule.window.ranges", "schedule.spread", "schedule.spread.over", "schedule.remind.at",
    "schedule.if_late.within", "schedule.remind.before", "schedule.remind.format", "throughput.rate", "holdout",
    "throughput.daily", "throughput.batch_size", "frequency_cap.messages", "frequency_cap.per", "devices.use",
    "follow.until", "follow.retry_failed.times", "audience.contact_list", "default_region", "schedule.timezone",
)  # fmt: skip


@pytest.mark.parametrize("path", KEYS)
def test_an_extreme_value_is_read_or_a_problem_and_never_an_exception(path: str) -> None:
    *parents, key = path.split(".")
    for extreme in EXTREMES:
        said: dict[str, Any] = {"campaign": "a", "message": "m", "audience": [{"file": "f.csv"}]}
        place = said
        for parent in parents:
            place[parent] = place[parent] if isinstance(place.get(parent), dict) else {}
            place = place[parent]
        place[key] = extreme
        with suppress(ValidationError):
            Definition.model_validate(said)
