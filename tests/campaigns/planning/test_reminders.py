"""The reminders of a table, row by row, and the words by which a row says that its appointment is cancelled."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from campaigns.checking import check_file
from campaigns.lifecycle import RecipientState
from campaigns.planning.planned import PlannedRecipient
from campaigns.planning.reminders import plan_reminders
from campaigns.timing.slots import Slot, slot_of

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
NUMBER = "+393330000001"
P = RecipientState


def planned(folder: Path, *rows: str, remind: str = "column: at, before: 2h", more: str = "") -> list[PlannedRecipient]:
    (folder / "visits.csv").write_text("\n".join(["number,at,cancelled,id,timezone", *rows, ""]), encoding="utf-8")
    path = folder / "visits.yaml"
    path.write_text(
        "campaign: visits\nmessage: Hi\naudience: {file: visits.csv}\n"
        f"schedule: {{timezone: Europe/Rome, remind: {{{remind}}}}}\n{more}"
    )
    return list(plan_reminders(check_file(path, timezone="UTC", region=None), NOW))


@pytest.mark.parametrize(
    ("word", "state"),
    [(word, P.CANCELLED) for word in ("yes", "TRUE", "1", "x", "Sì", "oui", "cancelled", "Storniert")]
    + [(word, P.PENDING) for word in ("", "no", "False", "0", " ", "nein", "-", "NULL")]
    + [(word, P.INVALID) for word in ("perhaps", "2026-12-01", "booked")],
)
def test_whether_an_appointment_stands(tmp_path: Path, word: str, state: RecipientState) -> None:
    (row,) = planned(tmp_path, f"{NUMBER},2026-12-03 09:30,{word},,")

    assert row.state is state
    if state is P.INVALID:
        assert row.reason == "row 2 of visits.csv: its cancelled is neither yes nor no"


@pytest.mark.parametrize(
    ("date", "timezone", "at", "slot"),
    [
        ("2026-12-03 09:30", "", "2026-12-03T06:30", "2026-12-03T08:30:00Z"),
        ("3.12.2026, 9:30", "", "2026-12-03T06:30", "2026-12-03T08:30:00Z"),
        ("2026-12-03T08:30:00Z", "", "2026-12-03T06:30", "2026-12-03T08:30:00Z"),
        ("2026-12-03 09:30", "America/New_York", "2026-12-03T12:30", "2026-12-03T14:30:00Z"),
        ("2026-12-03", "", "2026-12-03T06:00", "2026-12-03"),
    ],
)
def test_one_moment_has_one_slot_however_it_is_written(
    tmp_path: Path, date: str, timezone: str, at: str, slot: str
) -> None:
    (row,) = planned(tmp_path, f'{NUMBER},"{date}",,A|7,{timezone}', remind="column: at, before: 2h, key: id")

    assert row.departure is not None
    assert f"{row.departure.at:%Y-%m-%dT%H:%M}" == at
    assert slot_of(row.slot) == Slot("A|7", "2h before", slot)


def test_a_key_of_any_length_fits(tmp_path: Path) -> None:
    rows = planned(
        tmp_path, f"{NUMBER},2026-12-03 09:30,,{'k' * 500},", remind="column: at, after: 365d23h59m59s, key: id"
    )

    assert len(rows[0].slot) <= 120


def test_rows_that_get_none_are_told_apart_and_each_is_accounted_for(tmp_path: Path) -> None:
    rows = planned(tmp_path, ",x,,,", ",y,,,", f"{NUMBER},2026-12-03,,,", f"{NUMBER},,,,", f"{NUMBER},2026-12-04,,,")

    assert [row.state for row in rows] == [P.INVALID, P.INVALID, P.PENDING, P.DUPLICATE, P.DUPLICATE]
    assert len({(row.number, row.slot) for row in rows}) == 5


def test_nobody_is_in_a_request_twice_and_excluded_people_are_told(tmp_path: Path) -> None:
    (tmp_path / "not.csv").write_text(f"number\n{NUMBER}\n")

    (row,) = planned(tmp_path, f"{NUMBER},2026-12-03,,,", more="exclude: {file: not.csv}\n")

    assert (row.state, row.reason) == (P.EXCLUDED, "listed in not.csv")


DATE_FORMS = (
    "2026-12-05 09:30:00+01", "2026/12/05 09:30", "25/12/2026 09:30", "2026-12-05 09:30 PM", "2026-12-05 09:30",
    "2026-12-05 24:00", "'2026-12-05 09:30", "5.12.2026 9.30", "2026-12-05 09:30:00 UTC", "12/05/2026 9:30 AM",
    "5 Dec 2026 09:30", "46361.395833333336",
)  # fmt: skip


def test_date_forms_are_read_or_invalid_for_a_reason_that_is_true(tmp_path: Path) -> None:
    rows = planned(tmp_path, *(f"+3933300001{n:02},{form},,," for n, form in enumerate(DATE_FORMS)))

    assert [row.state for row in rows] == [P.PENDING] * 9 + [P.INVALID] * 3
    assert [row.reason.partition(": its 'at' ")[2].partition(":")[0] for row in rows[9:]] == [
        "can be read as more than one day",
        "is not a date that can be read",
        "is a number, as spreadsheets count days",
    ]
    assert "set schedule.remind.format" in rows[9].reason


@pytest.mark.parametrize("mark", ["9999-12-31", "0001-01-01", "9999-12-31T23:59:59+14:00", "0001-01-01 00:00:00-14"])
def test_a_date_that_stands_for_none_stops_nobody_else(tmp_path: Path, mark: str) -> None:
    rows = planned(
        tmp_path, f"+393330000002,{mark},,,", f"{NUMBER},2026-12-05 09:30,,,", remind="column: at, after: 366d"
    )

    assert [row.state for row in rows] == [P.INVALID, P.PENDING]
    assert rows[0].reason.startswith("row 2 of visits.csv: its 'at' is not in the years 1800 to 2199")


def test_a_row_whose_date_cannot_be_read_keeps_no_later_row_from_being_planned(tmp_path: Path) -> None:
    rows = planned(
        tmp_path, f"{NUMBER},soon,,A,", f"{NUMBER},2026-12-05 09:30,,A,", remind="column: at, after: 1h, key: id"
    )

    assert [row.state for row in rows] == [P.INVALID, P.PENDING]
