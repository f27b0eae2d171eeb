"""Windows and starts in zones whose clocks are put forward and back."""

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.calendar.localtime import to_utc
from campaigns.definition import Schedule, Window
from campaigns.definition.windows import NeverOpens

ROME, NEW_YORK = ZoneInfo("Europe/Rome"), ZoneInfo("America/New_York")
ZONES = (ROME, NEW_YORK, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("UTC"))
JUMPS = (  # moments of 2026 around which the clocks of these zones are put forward or back
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def window(opens: str, closes: str, days: str = "daily") -> Window:
    return Window.model_validate({"days": days, "from": opens, "to": closes})


quarter_hours = st.integers(0, 95).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
windows = (
    st.tuples(quarter_hours, quarter_hours, st.sets(st.sampled_from(DAYS), min_size=1).map(",".join))
    .filter(lambda parts: parts[0] != parts[1])
    .map(lambda parts: window(*parts))
)
moments = st.builds(
    lambda jump, minutes: jump + timedelta(minutes=minutes), st.sampled_from(JUMPS), st.integers(-4320, 4320)
)
zones = st.sampled_from(ZONES)


def is_open_by_the_clock(allowed: Window, moment: datetime, zone: ZoneInfo) -> bool:
    """The rule spelt out: one of today's and yesterday's openings, on a single line of naive clock time."""
    wall = moment.astimezone(zone).replace(tzinfo=None)
    for opening in allowed.root:
        for days_back in (0, 1):
            day = wall.date() - timedelta(days=days_back)
            if day.weekday() not in opening.days or opening.is_closed_on(day) or opening.is_closed_on(wall.date()):
                continue
            for start, end in opening.spans:
                opens, closes = datetime.combine(day, start), datetime.combine(day, end)
                if opens <= wall < (closes if closes > opens else closes + timedelta(days=1)):
                    return True
    return False


@given(windows, moments, zones)
def test_a_window_contains_what_the_clocks_say(allowed: Window, moment: datetime, zone: ZoneInfo) -> None:
    assert allowed.contains(moment, zone) == is_open_by_the_clock(allowed, moment, zone)


@given(windows, moments, zones)
def test_the_next_opening_is_open_and_nothing_before_it_is(allowed: Window, moment: datetime, zone: ZoneInfo) -> None:
    opening = allowed.next_open(moment, zone)

    assert opening >= moment
    assert opening.tzinfo is UTC
    assert is_open_by_the_clock(allowed, opening, zone)
    step = timedelta(minutes=15)  # all edges and jumps here are on quarter hours, and halfway points are between them
    between = moment
    while between < opening:
        assert not is_open_by_the_clock(allowed, between, zone)
        between += step
    if opening > moment:
        assert not is_open_by_the_clock(allowed, opening - timedelta(seconds=1), zone)


@given(windows, moments, zones)
def test_a_window_is_open_until_it_closes(allowed: Window, moment: datetime, zone: ZoneInfo) -> None:
    closing = allowed.closes_at(moment, zone)

    if closing is None:  # only days that follow each other without a gap never close
        assert len(allowed.root[0].days) == 7
        return
    assert not is_open_by_the_clock(allowed, closing, zone)
    between = moment
    while between < closing:
        assert is_open_by_the_clock(allowed, between, zone)
        between += timedelta(minutes=15)


@pytest.mark.parametrize(
    ("allowed", "moment", "expected"),
    [
        pytest.param(window("09:00", "20:00"), "2026-12-01T07:59", "2026-12-01T08:00", id="before it opens"),
        pytest.param(window("09:00", "20:00"), "2026-12-01T08:30", "2026-12-01T08:30", id="open already"),
        pytest.param(window("09:00", "20:00"), "2026-12-01T19:00", "2026-12-02T08:00", id="the moment it closes"),
        pytest.param(window("09:00", "20:00", "mon-sat"), "2026-12-05T20:00", "2026-12-07T08:00", id="over a Sunday"),
        pytest.param(window("20:00", "06:00", "fri"), "2026-12-05T02:00", "2026-12-05T02:00", id="Friday's night"),
        pytest.param(window("20:00", "06:00", "fri"), "2026-12-04T02:00", "2026-12-04T19:00", id="not Thursday's"),
        pytest.param(window("02:15", "02:45"), "2026-03-29T00:00", "2026-03-30T00:15", id="skipped by the clocks"),
        pytest.param(
            window("02:15", "02:45", "sun"), "2026-03-28T00:00", "2026-04-05T00:15", id="the only one skipped"
        ),
        pytest.param(window("02:30", "04:00"), "2026-03-29T00:00", "2026-03-29T01:00", id="opens within the gap"),
        pytest.param(window("02:15", "02:45"), "2026-10-25T00:50", "2026-10-25T01:15", id="repeated by the clocks"),
    ],
)
def test_the_next_opening_in_rome(allowed: Window, moment: str, expected: str) -> None:
    opening = allowed.next_open(datetime.fromisoformat(f"{moment}+00:00"), ROME)

    assert opening == datetime.fromisoformat(f"{expected}+00:00")


def test_a_whole_week_never_closes_but_six_days_do() -> None:
    moment = datetime(2026, 12, 1, tzinfo=UTC)

    assert window("00:00", "24:00").closes_at(moment, ROME) is None
    assert window("00:00", "24:00", "mon-sat").closes_at(moment, ROME) == datetime(2026, 12, 5, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "zone", "expected"),
    [
        ("2026-12-01 09:00", "Europe/Rome", "2026-12-01T08:00"),
        ("2026-12-01 9:00", "Europe/Rome", "2026-12-01T08:00"),
        ("2026-12-01T09:00:30", "UTC", "2026-12-01T09:00:30"),
        ("2026-12-01T09:00Z", "Europe/Rome", "2026-12-01T09:00"),
        ("2026-12-01 09:00 -05:00", "Europe/Rome", "2026-12-01T14:00"),
        ("2026-03-29 02:30", "Europe/Rome", "2026-03-29T01:00"),  # skipped: the first moment after the gap
        ("2026-10-25 02:30", "Europe/Rome", "2026-10-25T00:30"),  # repeated: the first of the two
        ("2026-03-08 02:00", "America/New_York", "2026-03-08T07:00"),
        ("2026-10-04 02:10", "Australia/Lord_Howe", "2026-10-03T15:30"),  # a gap of half an hour
    ],
)
def test_a_start_is_read_by_the_clocks_of_its_zone(start: str, zone: str, expected: str) -> None:
    schedule = Schedule.model_validate({"start": start, "timezone": zone})

    assert schedule.start_at() == datetime.fromisoformat(f"{expected}+00:00")


def test_a_start_can_be_read_in_the_zone_of_a_recipient() -> None:
    schedule = Schedule.model_validate({"start": "2026-12-01 09:00", "timezone": "Europe/Rome"})

    assert schedule.start_at(NEW_YORK) == datetime(2026, 12, 1, 14, tzinfo=UTC)


def test_now_is_no_moment_yet() -> None:
    assert Schedule.model_validate({"start": "now"}).start_at(ROME) is None


@given(moments, zones)
def test_a_wall_clock_reading_leads_back_to_the_first_moment_that_showed_it(moment: datetime, zone: ZoneInfo) -> None:
    wall = moment.astimezone(zone).replace(tzinfo=None)

    first = to_utc(wall, zone)

    assert first.astimezone(zone).replace(tzinfo=None) == wall
    assert first in (moment, moment - timedelta(hours=1), moment - timedelta(minutes=30))


SHOP = [
    {"days": "mon-fri", "ranges": ["09:00-12:30", "15:00 \u2013 20:00"], "except": ["IT", "2026-12-24"]},
    {"days": "sat", "from": "10:00", "to": "13:00"},
]


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        pytest.param("2026-12-01T12:00", "2026-12-01T14:00", id="between two times of a day"),
        pytest.param("2026-12-04T19:30", "2026-12-05T09:00", id="Saturday has times of its own"),
        pytest.param("2026-12-07T19:00", "2026-12-09T08:00", id="over a public holiday"),
        pytest.param(
            "2026-12-23T19:00", "2026-12-26T09:00", id="over a date and a holiday; the other opening has none"
        ),
    ],
)
def test_several_openings_with_closed_dates(moment: str, expected: str) -> None:
    shop = Window.model_validate(SHOP)

    opening = shop.next_open(datetime.fromisoformat(f"{moment}+00:00"), ROME)

    assert opening == datetime.fromisoformat(f"{expected}+00:00")


def test_a_closed_date_is_closed_from_midnight_to_midnight() -> None:
    night = Window.model_validate({"from": "20:00", "to": "06:00", "except": "2026-12-25"})
    christmas = datetime(2026, 12, 24, 23, tzinfo=UTC)

    assert night.closes_at(datetime(2026, 12, 24, 20, tzinfo=UTC), ROME) == christmas
    # The evening of the closed date does not open, and so has no morning after it.
    assert night.next_open(christmas, ROME) == datetime(2026, 12, 26, 19, tzinfo=UTC)


@pytest.mark.parametrize(("part", "is_open"), [("DE", True), ("DE-BY", False), ("de-by", False), ("DE-BE", True)])
def test_a_part_of_a_country_has_holidays_of_its_own(part: str, is_open: bool) -> None:
    epiphany = datetime(2026, 1, 6, 12, tzinfo=UTC)

    assert Window.model_validate({"from": "09:00", "to": "20:00", "except": part}).contains(epiphany, ROME) is is_open


def test_a_window_that_stays_closed_says_so() -> None:
    closed = [(datetime(2026, 1, 5, tzinfo=UTC) + timedelta(weeks=week)).date().isoformat() for week in range(60)]
    never = Window.model_validate({"days": "mon", "from": "09:00", "to": "20:00", "except": closed})
    moment = datetime(2026, 1, 5, tzinfo=UTC)

    assert never.hours(ROME).next_open(moment) is None
    with pytest.raises(NeverOpens, match="does not open in the next 400 days: shorten its `except`"):
        never.next_open(moment, ROME)


@pytest.mark.parametrize(
    ("written", "phrase"),
    [
        ({"days": "mon"}, "has no times of day"),
        ({"from": "09:00", "to": "20:00", "ranges": ["09:00-12:00"]}, "contradicts `ranges`"),
        ({"ranges": ["09:00"]}, "must be two times of day"),
        ({"ranges": ["09:00-09:00"]}, "opens and closes at the same time"),
        ({"ranges": ["09:00-25:00"]}, "must be a time of day"),
        ({"ranges": []}, "is missing"),
        ([], "has no entries"),
        ({"from": "09:00", "to": "20:00", "except": "Italy"}, "must be a date or a country whose holidays are known"),
        ({"from": "09:00", "to": "20:00", "except": "DE-XX"}, "is not a part of DE"),
        ({"from": "09:00", "to": "20:00", "except": "2026-02-30"}, "is not a valid date"),
        ({"from": "09:00", "to": "20:00", "except": "24.12.2026"}, "must be a date or a country"),
    ],
)
def test_a_window_that_cannot_be_meant_is_refused(written: object, phrase: str) -> None:
    with pytest.raises(ValueError, match=re.escape(phrase)):
        Window.model_validate(written)


@pytest.mark.parametrize(
    "written",
    [
        {"days": "mon,tue", "from": "09:00", "to": "20:00"},
        {"ranges": ["09:00-12:30", "22:00-02:00"], "except": ["IT", "DE-BY", "2026-12-24"]},
        [{"from": "09:00", "to": "20:00"}, {"days": "sat", "from": "10:00", "to": "13:00"}],
    ],
)
def test_a_window_is_written_as_it_is_read(written: object) -> None:
    read = Window.model_validate(written)

    assert read.model_dump(mode="json", exclude_defaults=True) == written
    assert Window.model_validate_json(read.model_dump_json()) == read


def test_a_window_in_words() -> None:
    assert str(Window.model_validate(SHOP)) == (
        "mon,tue,wed,thu,fri 09:00 to 12:30 and 15:00 to 20:00 except IT, 2026-12-24; sat 10:00 to 13:00"
    )
    assert str(window("18:00", "24:00")) == "daily 18:00 to 24:00"


def test_the_library_of_holidays_is_loaded_only_where_a_country_is_named() -> None:
    code = (
        "import sys; from campaigns.definition import Window\n"
        "Window.model_validate({'from': '09:00', 'to': '20:00', 'except': '2026-12-24'})\n"
        "assert 'holidays' not in sys.modules\n"
        "Window.model_validate({'from': '09:00', 'to': '20:00', 'except': 'IT'})\n"
        "assert 'holidays' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
