"""Dates in rows: what is read, and what is refused instead of being guessed."""

from datetime import date, datetime, timedelta, timezone

import pytest

from campaigns.timing.dates import UnreadableDate, read_date


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
        ("12.2026", "is not a date that can be read"),
        ("٢٠٢٦-12-01", "is not a date that can be read"),
    ],
)
def test_what_is_no_date_is_refused_without_repeating_it(text: str, phrase: str) -> None:
    with pytest.raises(UnreadableDate) as caught:
        read_date(text)

    assert phrase in caught.value.reason
    assert text not in caught.value.reason
