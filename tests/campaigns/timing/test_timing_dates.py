"""Dates in rows: what is read, and what is refused instead of guessed."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaigns.definition.schedule import Remind
from campaigns.timing.dates import DayOrder, UnreadableDate, read_date
from campaigns.timing.moments import date_in


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-01", date(2026, 12, 1)),
        (" 2026-12-01 ", date(2026, 12, 1)),
        ("1.12.2026", date(2026, 12, 1)),
        ("2026-12-01 09:30", datetime.fromisoformat("2026-12-01T09:30")),
        ("2026-12-01T9:30", datetime.fromisoformat("2026-12-01T09:30")),
        ("2026-12-01 09:30:15.250", datetime.fromisoformat("2026-12-01T09:30:15")),
        ("01.12.2026, 09:30", datetime.fromisoformat("2026-12-01T09:30")),
        ("2026-12-01T09:30:00Z", datetime(2026, 12, 1, 9, 30, tzinfo=timezone(timedelta()))),
        ("2026-12-01 09:30 +0100", datetime(2026, 12, 1, 9, 30, tzinfo=timezone(timedelta(hours=1)))),
        ("2026-12-01T09:30+05:45", datetime(2026, 12, 1, 9, 30, tzinfo=timezone(timedelta(hours=5, minutes=45)))),
        ("2026-12-05 09:30:00+01", datetime(2026, 12, 5, 9, 30, tzinfo=timezone(timedelta(hours=1)))),
        ("2026-12-05 09:30:00.000000-05", datetime(2026, 12, 5, 9, 30, tzinfo=timezone(timedelta(hours=-5)))),
        ("2026-12-05 09:30:00 UTC", datetime(2026, 12, 5, 9, 30, tzinfo=UTC)),
        ("2026/12/05 09:30", datetime.fromisoformat("2026-12-05T09:30")),
        ("2026/12/05", date(2026, 12, 5)),
        ("2026.12.5", date(2026, 12, 5)),
        ("25/12/2026 09:30", datetime.fromisoformat("2026-12-25T09:30")),
        ("12/25/2026", date(2026, 12, 25)),
        ("12-12-2026", date(2026, 12, 12)),
        ("2026-12-05 09:30 PM", datetime.fromisoformat("2026-12-05T21:30")),
        ("2026-12-05 12:30\u202fa.m.", datetime.fromisoformat("2026-12-05T00:30")),
        ("2026-12-05 24:00", datetime.fromisoformat("2026-12-06T00:00")),
        ("'2026-12-05 09:30", datetime.fromisoformat("2026-12-05T09:30")),
        ("5.12.2026 9.30", datetime.fromisoformat("2026-12-05T09:30")),
    ],
)
def test_a_date_of_a_row(text: str, expected: date) -> None:
    read = read_date(text)

    assert (type(read), read) == (type(expected), expected)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("01/02/2026", "can be read as more than one day"),
        ("1-2-2026", "can be read as more than one day"),
        ("2026-02-30", "does not exist"),
        ("2026-12-01 24:30", "does not exist"),
        ("2026-12-01 09:30 +99:00", "does not exist"),
        ("tomorrow", "is not a date that can be read: write 2026-12-01 or 2026-12-01 09:30"),
        ("46357", "is a number, as spreadsheets count days"),
        ("46361.395833333336", "is a number, as spreadsheets count days"),
        ("5/12/26 09:30", "has a two-digit year"),
        ("5 Dec 2026 09:30", "is not a date that can be read"),
        ("+1 202-555-0101", "is not a date that can be read"),
        ("2026-12-05 13:30 PM", "does not exist"),
        ("9999-12-31", "is not in the years 1800 to 2199"),
        ("0001-01-01 00:00:00+14", "is not in the years 1800 to 2199"),
        ("2026-12-05 09:30:00." + "0" * 40 + "+05:00", "is not a date that can be read"),
        ("12.2026", "is not a date that can be read"),
        ("٢٠٢٦-12-01", "is not a date that can be read"),
    ],
)
def test_what_is_no_date_is_refused_without_repeating_it(text: str, phrase: str) -> None:
    with pytest.raises(UnreadableDate) as caught:
        read_date(text)

    assert phrase in caught.value.reason
    assert text not in caught.value.reason


@pytest.mark.parametrize(
    ("format", "expected"),
    [("dmy", datetime(2026, 5, 12, 9, 30)), ("mdy", datetime(2026, 12, 5, 9, 30))],  # noqa: DTZ001  (read without a zone)
)
def test_date_forms_a_format_settles_what_may_be_two_days(format: str, expected: datetime) -> None:
    remind = Remind.model_validate({"column": "at", "before": "1h", "format": format})

    assert date_in(remind, {"at": "12/05/2026 9:30 AM"}) == (expected, "")


def test_date_forms_a_date_of_another_order_than_the_format_says_is_refused() -> None:
    with pytest.raises(UnreadableDate, match=r"^does not match schedule\.remind\.format, dmy"):
        read_date("12/25/2026", DayOrder.DMY)


EXTREMES = st.sampled_from(["0000", "0001", "1799", "1800", "1900", "2026", "2199", "2200", "9999"])


@given(
    st.builds(
        "{}-{:02}-{:02}{}".format,
        EXTREMES,
        st.sampled_from([0, 1, 2, 12, 13]),
        st.sampled_from([0, 1, 29, 31, 99]),
        st.sampled_from(
            ["", " 00:00", " 24:00", " 23:59:59.9", "T00:00:00+14", " 23:59 -14:00", " 12:00 AM", " 09:30 +99"]
        ),
    )
)
@example("9999-12-31 24:00")
def test_whatever_is_read_can_be_computed_with_in_every_zone(text: str) -> None:
    with suppress(UnreadableDate):
        read = read_date(text)
        at = read if isinstance(read, datetime) else datetime(read.year, read.month, read.day)  # noqa: DTZ001  (the same)
        for zone in (ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Pacific/Pago_Pago")):
            for offset in (timedelta(days=-366), timedelta(days=366)):
                assert (at.astimezone(zone) + offset).astimezone(UTC)


@given(st.text(alphabet="0123456789-/.:+ TZamp'", max_size=80))
def test_any_text_is_a_date_or_a_reason(text: str) -> None:
    for order in (None, *DayOrder):
        with suppress(UnreadableDate):
            assert isinstance(read_date(text, order), date)
