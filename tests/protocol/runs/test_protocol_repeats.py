"""Campaigns that repeat: one run for each moment, from the tables as they are then, and none for a missed moment."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from campaigns.definition import Kind
from campaigns.lifecycle import RecipientState, RunState
from campaigns.policy import ALL_KINDS, parse_hours
from campaigns.take_up import Taken
from scheduler.intake import repeating
from scheduler.intake.outcome import EditRefused
from scheduler.intake.taking import read_file, take_up
from tests.protocol.world.harness import Installation, exactly_once
from worker.store.runs import repetitions, runs
from worker.store.runs.runs import RunView

ROME, TOKYO, NEW_YORK = "+393331234567", "+819012345678", "+12125550123"
WORLD = f"recipients: [{{number: '{ROME}'}}, {{number: '{TOKYO}'}}, {{number: '{NEW_YORK}'}}]"
ONE = f"recipients: [{{number: '{ROME}'}}]"
DAY = timedelta(days=1)


def drop(bench: Installation, schedule: str, audience: str = ONE, *, message: str = "Ciao", more: str = "") -> Taken:
    """Drop a campaign with this schedule. The clock is at 09:00 UTC on Tuesday 2026-12-01, 10:00 in Rome."""
    text = f"campaign: sale\nmessage: {message}\naudience: {{{audience}}}\nfollow: {{until: 1h}}\n{more}"
    return bench.drop(f"{text}schedule: {{timezone: Europe/Rome, {schedule}}}\n").taken


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-12-{text}").replace(tzinfo=UTC)


def runs_of(bench: Installation) -> list[RunView]:
    with bench.store.read() as session:
        found = runs.campaign_runs(session, "sale")
    return sorted(found, key=lambda run: run.moment)


def shown(bench: Installation) -> list[tuple[str, RunState]]:
    """Moment and state of every run."""
    return [(run.moment[5:16], run.state) for run in runs_of(bench)]


def stand_still(bench: Installation, end: datetime) -> None:
    """Keep the service down until then."""
    bench.clock.advance(end - bench.clock.now())


def test_there_is_a_run_for_each_moment_and_the_next_one_waits(bench: Installation) -> None:
    drop(bench, "repeat: {cron: '0 * * * *'}")
    assert shown(bench) == [("12-01T10:00", RunState.SCHEDULED)]

    bench.live_until(at("01T11:30"))

    assert shown(bench) == [
        ("12-01T10:00", RunState.COMPLETED),
        ("12-01T11:00", RunState.COMPLETED),
        ("12-01T12:00", RunState.SCHEDULED),
    ]
    assert [message.at for message in bench.gateway.stored] == [at("01T10:00"), at("01T11:00")]


def test_a_run_is_planned_shortly_before_from_the_table_as_it_then_is(bench: Installation) -> None:
    table = bench.folder / "people.csv"
    table.write_text(f"number\n{ROME}\n")
    drop(bench, "repeat: {cron: '0 10 * * *'}", "file: people.csv")
    bench.live_until(at("02T08:50"))
    table.write_text(f"number\n{TOKYO}\n")
    assert bench.gateway.stored == []

    bench.live_until(at("02T09:30"))

    assert list(bench.gateway.copies()) == [TOKYO]


def test_a_run_that_cannot_be_planned_fails_and_the_next_one_is_made(bench: Installation) -> None:
    table = bench.folder / "people.csv"
    table.write_text(f"number\n{ROME}\n")
    drop(bench, "repeat: {cron: '0 * * * *'}", "file: people.csv")
    table.unlink()
    bench.live_until(at("01T10:10"))
    failed, _ = runs_of(bench)
    assert (failed.state, failed.reason) == (
        RunState.FAILED,
        "people.csv: does not exist (put it beside the campaign file)",
    )

    table.write_text(f"number\n{ROME}\n")
    bench.live_until(at("01T11:10"))

    assert shown(bench)[:2] == [("12-01T10:00", RunState.FAILED), ("12-01T11:00", RunState.COMPLETED)]


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("Ciao {# not sent #}", "a message has no {# ... #}: nobody would get what it contains (remove it; "),
        ("Ciao {{ none }}", "a field cannot be called none (give the column another name)"),
    ],
    ids=["a comment", "a constant"],
)
def test_a_text_that_an_earlier_release_took_and_this_one_refuses_fails_its_run_once(
    bench: Installation, message: str, problem: str
) -> None:
    (bench.folder / "sale.yaml").write_text(
        f"campaign: sale\nmessage: Ciao\naudience: {{{ONE}}}\nfollow: {{until: 1h}}\n"
        "schedule: {timezone: Europe/Rome, repeat: {cron: '0 11 * * *'}}\n"
    )
    checked = read_file(bench.folder / "sale.yaml", bench.settings, now=bench.clock.now())
    stored = checked.model_copy(update={"message": message}).in_folder(bench.folder)
    take_up(bench.runtime, stored, source="sale.yaml")

    with capture_logs() as logs:
        bench.live_until(at("01T11:00"))

    failed, following = runs_of(bench)
    assert (failed.state, following.moment[5:16]) == (RunState.FAILED, "12-02T10:00")
    assert failed.reason.startswith(f"message: {problem}")
    assert [log["event"] for log in logs if log["log_level"] in {"warning", "error"}] == ["run.not_planned"]

    drop(bench, "repeat: {cron: '0 11 * * *'}")  # fixed
    bench.live_until(at("02T11:00"))

    assert [message.at for message in bench.gateway.stored] == [at("02T10:00")]


def test_start_and_until_are_the_first_and_the_last_moment(bench: Installation) -> None:
    drop(bench, "start: 2026-12-02 10:00, repeat: {cron: '0 10 * * *', until: 2026-12-04}")

    bench.live_until(at("06T12:00"))

    assert shown(bench) == [(f"12-0{day}T09:00", RunState.COMPLETED) for day in (2, 3, 4)]


def test_each_zone_has_its_own_moment_of_every_run(bench: Installation) -> None:
    drop(bench, "local_time: recipient, repeat: {cron: '0 9 * * *', until: 2026-12-04}", WORLD)

    bench.live_until(at("05T00:00"))

    # then 2 December in Tokyo began before the campaign was dropped, but not its morning
    hours = {TOKYO: 0, ROME: 8, NEW_YORK: 14}
    expected = {
        (number, at(f"0{day}T00:00") + timedelta(hours=hour)) for number, hour in hours.items() for day in (2, 3, 4)
    }
    assert {(message.number, message.at) for message in bench.gateway.stored} == expected
    assert len(bench.gateway.stored) == len(expected)


def test_two_schedulers_make_one_run_of_a_moment(bench: Installation) -> None:
    drop(bench, "repeat: {cron: '0 * * * *'}")
    for _ in range(3):
        for _ in range(2):
            repeating.repeat(bench.runtime, lambda _: bench.folder, bench.clock.now())
        bench.live_until(bench.clock.now() + timedelta(minutes=28))

    assert len(bench.gateway.stored) == 1
    assert [moment for moment, _ in shown(bench)] == ["12-01T10:00", "12-01T11:00"]


# Missed moments.


def test_of_what_was_missed_only_the_newest_is_made_up_for(bench: Installation) -> None:
    drop(bench, "repeat: {cron: '0 10 * * *'}")
    stand_still(bench, at("05T12:00"))

    bench.live_until(at("06T08:00"))

    assert shown(bench) == [
        ("12-04T09:00", RunState.CANCELLED),
        ("12-05T09:00", RunState.COMPLETED),
        ("12-06T09:00", RunState.SCHEDULED),
    ]
    assert [message.at for message in bench.gateway.stored] == [at("05T12:00")]
    missed = runs_of(bench)[0]
    assert missed.reason == (
        "3 runs were missed: nothing was running "
        "from Wed 2026-12-02 10:00 (Europe/Rome) to Fri 2026-12-04 10:00 (Europe/Rome)"
    )
    assert bench.events() == ["runs.missed"]


@pytest.mark.parametrize(
    ("if_late", "expected"),
    [
        ("within: 30m", [("12-01T15:00", RunState.CANCELLED), ("12-01T16:00", RunState.SCHEDULED)]),
        (
            "within: 2h",
            [
                ("12-01T13:00", RunState.CANCELLED),
                ("12-01T14:00", RunState.COMPLETED),
                ("12-01T15:00", RunState.COMPLETED),
                ("12-01T16:00", RunState.SCHEDULED),
            ],
        ),
        (
            "within: 30m, otherwise: hold",
            [
                ("12-01T14:00", RunState.CANCELLED),
                ("12-01T15:00", RunState.COMPLETED),
                ("12-01T16:00", RunState.SCHEDULED),
            ],
        ),
    ],
)
def test_if_late_decides_on_the_moments_that_were_missed(
    bench: Installation, if_late: str, expected: list[tuple[str, RunState]]
) -> None:
    drop(bench, f"repeat: {{cron: '0 * * * *'}}, if_late: {{{if_late}}}")
    stand_still(bench, at("01T15:40"))

    bench.live_until(at("01T15:50"))

    assert shown(bench) == expected
    held = [run for run in runs_of(bench) if bench.states(run.id) == {RecipientState.HELD: 1}]
    assert len(held) == ("hold" in if_late)
    assert len(bench.gateway.stored) == ("2h" in if_late) * 2


def test_a_run_that_was_planned_in_time_and_begins_late_is_late_for_each_person(bench: Installation) -> None:
    drop(bench, "repeat: {cron: '0 12 * * *'}, if_late: {within: 30m}")
    bench.live_until(at("01T10:57"))
    stand_still(bench, at("01T12:00"))

    bench.live_until(at("01T12:10"))

    first, second = runs_of(bench)
    assert bench.states(first.id) == {RecipientState.SKIPPED: 1}
    assert (first.state, second.moment) == (RunState.COMPLETED, "2026-12-02T11:00:00Z")
    assert bench.gateway.stored == []


# Edits.


def test_an_edit_is_for_the_runs_after_it(bench: Installation) -> None:
    drop(bench, "repeat: {cron: '0 * * * *'}")
    bench.live_until(at("01T10:10"))

    assert drop(bench, "repeat: {cron: '0 * * * *'}", message="Hallo") is Taken.PLANNED

    bench.live_until(at("01T11:10"))
    assert [message.text for message in bench.gateway.stored] == ["Ciao", "Hallo"]


def test_a_run_that_was_planned_and_not_begun_follows_the_edit(bench: Installation) -> None:
    drop(bench, "repeat: {cron: '0 * * * *'}")
    bench.live_until(at("01T09:57"))

    drop(bench, "repeat: {cron: '0 * * * *'}", message="Hallo")

    bench.live_until(at("01T10:10"))
    assert [message.text for message in bench.gateway.stored] == ["Hallo"]


def test_other_moments_take_the_place_of_those_that_did_not_come(bench: Installation) -> None:
    drop(bench, "repeat: {cron: '0 12 * * *'}")
    bench.live_until(at("01T10:58"))

    drop(bench, "repeat: {cron: '30 13 * * *'}")

    bench.live_until(at("01T13:00"))
    assert [message.at for message in bench.gateway.stored] == [at("01T12:30")]
    assert shown(bench) == [("12-01T12:30", RunState.COMPLETED), ("12-02T12:30", RunState.SCHEDULED)]


def test_a_repetition_that_was_cancelled_stays_so_whatever_its_file_says(bench: Installation) -> None:
    drop(bench, "repeat: {cron: '0 * * * *'}")
    bench.live_until(at("01T10:10"))
    with bench.store.write() as session:
        repetitions.end_repeating(session, runs_of(bench)[0].campaign_id)

    assert drop(bench, "repeat: {cron: '30 * * * *'}") is Taken.OVER


def test_a_file_that_comes_back_goes_on_with_its_next_moment(bench: Installation) -> None:
    drop(bench, "repeat: {cron: '0 * * * *'}")
    bench.live_until(at("01T10:10"))
    assert repeating.stop(bench.runtime, runs_of(bench)[0].id, bench.clock.now())
    bench.live_until(at("01T11:10"))
    assert len(shown(bench)) == 1

    drop(bench, "repeat: {cron: '0 * * * *'}")

    bench.live_until(at("01T12:10"))
    assert [run.moment[11:16] for run in runs_of(bench)] == ["10:00", "12:00", "13:00"]
    assert [message.at for message in bench.gateway.stored] == [at("01T10:00"), at("01T12:00")]


def test_a_campaign_does_not_change_between_once_and_again_after_it_was_sent(bench: Installation) -> None:
    drop(bench, "repeat: {cron: '0 * * * *'}")
    # given that nothing was sent, it may
    drop(bench, "start: now")
    (run,) = runs_of(bench)
    bench.finish_from_due_to_due(run.id)
    assert exactly_once(bench, run.id)

    with pytest.raises(EditRefused, match="another name"):
        drop(bench, "repeat: {cron: '0 * * * *'}")


def test_removing_repeat_does_not_send_once_more(bench: Installation) -> None:
    drop(bench, "repeat: {cron: '0 * * * *'}")
    bench.live_until(at("01T10:10"))

    with pytest.raises(EditRefused, match="To end it, remove the file"):
        drop(bench, "start: now")

    assert len(bench.gateway.stored) == 1


# Rules of the operator that are newer than the file.


def ruled(bench: Installation, **rules: Any) -> Installation:
    """Restart the service with these settings; nobody touches the file."""
    return Installation(bench.folder, bench.store, bench.clock, bench.gateway, **rules)


@pytest.mark.parametrize("until", ["01T09:30", "01T09:57"], ids=["not planned yet", "planned already"])
def test_hours_that_were_set_later_bind_a_campaign_that_repeats(bench: Installation, until: str) -> None:
    drop(bench, "repeat: {cron: '0 11 * * *'}")
    bench.live_until(at(until))

    ruled(bench, hours=parse_hours("daily 15:00-16:00")).live_until(at("03T09:00"))

    assert [message.at for message in bench.gateway.stored] == [at("01T14:00"), at("02T14:00")]


def test_approval_that_was_required_later_holds_the_next_run(bench: Installation) -> None:
    drop(bench, "repeat: {cron: '0 11 * * *'}")

    ruled(bench, require_approval=ALL_KINDS).live_until(at("01T12:00"))

    assert shown(bench)[0] == ("12-01T10:00", RunState.AWAITING_APPROVAL)
    assert bench.gateway.stored == []


@pytest.mark.parametrize(
    ("more", "rules", "reason"),
    [
        (", window: {from: '08:00', to: '20:00'}", {"hours": parse_hours("daily 15:00-16:00")}, "schedule.window: op"),
        ("", {"kinds": frozenset({Kind.REMINDER})}, "kind: is marketing, which the operator does not allow here"),
    ],
    ids=["a wider window", "a kind"],
)  # fmt: skip
def test_a_run_that_breaks_a_later_rule_fails_and_sends_nothing(
    bench: Installation, more: str, rules: dict[str, Any], reason: str
) -> None:
    drop(bench, f"repeat: {{cron: '0 11 * * *'}}{more}")

    ruled(bench, **rules).live_until(at("01T12:00"))

    failed = runs_of(bench)[0]
    assert failed.state is RunState.FAILED
    assert failed.reason.startswith(reason)
    assert bench.gateway.stored == []


def test_a_table_that_lost_the_column_of_a_rule_ends_one_run_and_not_the_next(bench: Installation) -> None:
    table = bench.folder / "people.csv"
    table.write_text(f"number,country\n{ROME},IT\n{TOKYO},JP\n")
    drop(bench, "repeat: {cron: '0 * * * *'}", "file: people.csv, where: country == 'IT'")
    table.write_text(f"number,land\n{ROME},IT\n{TOKYO},JP\n")
    bench.live_until(at("01T10:30"))

    table.write_text(f"number,country\n{ROME},FR\n{TOKYO},IT\n")
    bench.live_until(at("01T11:30"))

    assert [state for _, state in shown(bench)] == [RunState.FAILED, RunState.COMPLETED, RunState.SCHEDULED]
    assert "people.csv: there is no column country, which `where` uses" in runs_of(bench)[0].reason
    assert bench.gateway.copies() == {TOKYO: 1}
