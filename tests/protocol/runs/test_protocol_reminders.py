"""Campaigns that remind: one text for each offset of the latest known date, and none twice."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from campaigns.codes import PausedBy
from campaigns.lifecycle import RecipientState, RunState
from campaigns.take_up import Taken
from scheduler.intake.outcome import EditRefused
from tests.protocol.world.harness import Installation
from worker.store.runs import repetitions, runs
from worker.store.runs.runs import RunView

P = RecipientState
ANNA, BOB = "+393330000001", "+393330000002"
FILE = """campaign: visits
kind: reminder
message: "{{ name }}, see you on {{ at }}"
audience: {file: visits.csv}
follow: {until: 1h}
schedule:
  timezone: Europe/Rome
  remind: {column: at, before: [24h, 2h]%s}
%s"""
"""The clock is at 09:00 UTC on Tuesday 2026-12-01, 10:00 in Rome."""


def drop(
    bench: Installation, *rows: str, remind: str = "", more: str = "", columns: str = "number,name,at,cancelled"
) -> Taken:
    """Drop a table of visits."""
    (bench.folder / "visits.csv").write_text("\n".join([columns, *rows, ""]))
    return bench.drop(FILE % (remind, more), "visits").taken


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-12-{text}").replace(tzinfo=UTC)


def days(bench: Installation) -> list[RunView]:
    with bench.store.read() as session:
        found = runs.campaign_runs(session, "visits")
    return sorted(found, key=lambda run: run.moment)


def texts(bench: Installation) -> list[tuple[str, str, str]]:
    """Number, text, and day and time (UTC) of everything that the gateway has."""
    return [(message.number, message.text, f"{message.at:%d %H:%M}") for message in bench.gateway.stored]


def reasons(bench: Installation) -> list[tuple[str, RecipientState, str]]:
    """Number, state and reason of every row, on any day, that has a reason."""
    rows = (row for run in days(bench) for row in bench.recipients(run.id))
    return [(row.number, row.state, row.reason) for row in rows if row.reason]


def test_a_text_for_each_offset_each_in_the_run_of_its_day(bench: Installation) -> None:
    drop(bench, f"{ANNA},Anna,2026-12-03 09:30,", f"{BOB},Bob,2026-12-02 12:00,no")
    assert [run.moment for run in days(bench)] == ["2026-12-01", "2026-12-02", "2026-12-03"]

    bench.live_until(at("04T09:00"))

    assert texts(bench) == [
        (BOB, "Bob, see you on 2026-12-02 12:00", "01 11:00"),
        (ANNA, "Anna, see you on 2026-12-03 09:30", "02 08:30"),
        (BOB, "Bob, see you on 2026-12-02 12:00", "02 09:00"),
        (ANNA, "Anna, see you on 2026-12-03 09:30", "03 06:30"),
    ]
    assert [run.state for run in days(bench)] == [RunState.COMPLETED] * 3
    assert [bench.states(run.id) for run in days(bench)] == [{P.DELIVERED: 1}, {P.DELIVERED: 2}, {P.DELIVERED: 1}]


def test_the_same_table_again_changes_nothing(bench: Installation) -> None:
    rows = (f"{ANNA},Anna,2026-12-03 09:30,", f"{BOB},Bob,2026-11-02 12:00,", "call me,Carl,2026-12-03,", f"{ANNA},A,,")
    drop(bench, *rows)
    before = [(run.moment, bench.states(run.id)) for run in days(bench)]

    drop(bench, *rows)
    bench.live_until(at("02T10:00"))
    drop(bench, *rows)
    bench.live_until(at("04T10:00"))
    drop(bench, *rows)

    assert before[0] == ("2026-12-01", {P.SKIPPED: 2, P.INVALID: 1, P.DUPLICATE: 1})
    assert [(run.moment, sum(bench.states(run.id).values())) for run in days(bench)] == [
        ("2026-12-01", 4),
        ("2026-12-02", 1),
        ("2026-12-03", 1),
    ]
    assert [number for number, _, _ in texts(bench)] == [ANNA, ANNA]


def test_a_date_that_moves_takes_the_texts_that_are_left_with_it(bench: Installation) -> None:
    drop(bench, f"{ANNA},Anna,2026-12-03 09:30,")
    bench.live_until(at("02T10:00"))

    # when it is moved after the first reminder was sent
    drop(bench, f"{ANNA},Anna,2026-12-05 12:00,")
    bench.live_until(at("06T10:00"))

    assert [(text[-16:], when) for _, text, when in texts(bench)] == [
        ("2026-12-03 09:30", "02 08:30"),
        ("2026-12-05 12:00", "04 11:00"),
        ("2026-12-05 12:00", "05 09:00"),
    ]
    assert (ANNA, P.CANCELLED, "the appointment was moved to 2026-12-05 12:00") in reasons(bench)
    assert {run.state for run in days(bench)} == {RunState.COMPLETED}


def test_a_date_that_moves_and_comes_back_is_reminded_of_once(bench: Installation) -> None:
    for date in ("2026-12-03 09:30", "2026-12-04 09:30", "2026-12-03 09:30", "2026-12-03 9:30:00"):
        drop(bench, f"{ANNA},Anna,{date},")

    bench.live_until(at("05T10:00"))

    assert [when for _, _, when in texts(bench)] == ["02 08:30", "03 06:30"]


def test_what_is_cancelled_is_not_reminded_of_until_it_stands_again(bench: Installation) -> None:
    drop(bench, f"{ANNA},Anna,2026-12-03 09:30,no", f"{BOB},Bob,2026-12-03 10:00,")
    drop(bench, f"{ANNA},Anna,2026-12-03 09:30,yes", f"{BOB},Bob,2026-12-03 10:00,TRUE")
    assert bench.states(days(bench)[0].id) == {P.CANCELLED: 2}
    drop(bench, f"{ANNA},Anna,2026-12-03 09:30,")

    bench.live_until(at("04T10:00"))

    assert [(number, when) for number, _, when in texts(bench)] == [(ANNA, "02 08:30"), (ANNA, "03 06:30")]
    assert Counter(reasons(bench))[BOB, P.CANCELLED, "the appointment was cancelled"] == 2


def test_who_is_missing_from_a_later_table_is_reminded_all_the_same(bench: Installation) -> None:
    drop(bench, f"{ANNA},Anna,2026-12-03 09:30,")
    drop(bench, f"{BOB},Bob,2026-12-03 09:30,")

    bench.live_until(at("04T10:00"))

    assert sorted(Counter(number for number, _, _ in texts(bench)).items()) == [(ANNA, 2), (BOB, 2)]


def test_a_key_tells_the_appointments_of_one_person_apart(bench: Installation) -> None:
    columns = "number,name,at,id"
    rows = (f"{ANNA},Anna,2026-12-03 09:30,A", f"{ANNA},Anna,2026-12-03 09:30,B", f"{ANNA},Anna,2026-12-04 09:00,C")
    drop(bench, *rows, remind=", key: id", columns=columns)
    drop(bench, f"{ANNA},Anna,2026-12-03 10:30,B", remind=", key: id", columns=columns)

    bench.live_until(at("05T10:00"))

    assert [when for _, _, when in texts(bench)] == [
        "02 08:30",
        "02 09:30",
        "03 06:30",
        "03 07:30",
        "03 08:00",
        "04 06:00",
    ]


def test_a_changed_text_or_window_is_followed_by_what_is_not_sent_yet(bench: Installation) -> None:
    drop(bench, f"{ANNA},Anna,2026-12-03 09:30,")
    bench.live_until(at("02T10:00"))

    drop(bench, f"{ANNA},Anna B.,2026-12-03 09:30,", more='  window: {from: "08:00", to: "20:00"}\n')
    bench.live_until(at("04T10:00"))

    assert texts(bench) == [
        (ANNA, "Anna, see you on 2026-12-03 09:30", "02 08:30"),
        (ANNA, "Anna B., see you on 2026-12-03 09:30", "03 07:00"),
    ]


def test_a_day_that_is_over_goes_on_when_a_table_brings_more_for_it(bench: Installation) -> None:
    drop(bench, f"{ANNA},Anna,2026-12-01 13:00,")
    bench.live_until(at("01T10:30"))
    assert [run.state for run in days(bench)] == [RunState.COMPLETED]

    drop(bench, f"{ANNA},Anna,2026-12-01 13:00,", f"{BOB},Bob,2026-12-01 16:00,")
    bench.live_until(at("01T15:00"))

    assert [(number, when) for number, _, when in texts(bench)] == [(ANNA, "01 10:00"), (BOB, "01 13:00")]
    assert [run.state for run in days(bench)] == [RunState.COMPLETED]


def test_a_paused_campaign_makes_no_day_that_sends(bench: Installation) -> None:
    drop(bench, f"{ANNA},Anna,2026-12-03 09:30,")
    for run in days(bench):
        with bench.store.write() as session:
            runs.pause_run(session, run.id, PausedBy.PERSON, now=bench.clock.now())

    drop(bench, f"{BOB},Bob,2026-12-05 09:30,")
    bench.live_until(at("06T10:00"))

    assert texts(bench) == []


def test_a_cancelled_campaign_stays_cancelled(bench: Installation) -> None:
    drop(bench, f"{ANNA},Anna,2026-12-03 09:30,")
    with bench.store.write() as session:
        for run in days(bench):
            runs.cancel_run(session, run.id, "by hand", bench.clock.now())
        repetitions.end_repeating(session, days(bench)[0].campaign_id)

    assert drop(bench, f"{BOB},Bob,2026-12-05 09:30,") is Taken.OVER

    bench.live_until(at("06T10:00"))
    assert texts(bench) == []


def test_a_reminder_that_could_not_be_sent_before_its_date_is_skipped(bench: Installation) -> None:
    drop(bench, f"{ANNA},Anna,2026-12-01 12:10,")
    bench.clock.advance(timedelta(hours=3))  # the service was down

    bench.live_until(at("01T15:00"))

    assert texts(bench) == []
    assert (ANNA, P.SKIPPED, "its moment was missed: the date itself came before it could be sent") in reasons(bench)


def test_a_campaign_does_not_change_between_reminding_and_other_ways_after_it_was_sent(bench: Installation) -> None:
    drop(bench, f"{ANNA},Anna,2026-12-03 09:30,")
    bench.live_until(at("02T10:00"))

    plain = f"campaign: visits\nmessage: Hi\naudience: {{recipients: [{{number: '{ANNA}'}}]}}\n"
    with pytest.raises(EditRefused, match="no longer reminds"):
        bench.drop(plain, "visits")
    with pytest.raises(EditRefused, match="another name"):
        bench.drop(plain + "schedule: {repeat: {cron: '@daily'}}\n", "visits")

    bench.live_until(at("04T10:00"))
    assert len(texts(bench)) == 2
