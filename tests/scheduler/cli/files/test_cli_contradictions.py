"""A file whose keys contradict each other: one line says where, what and what to do, at every entry point."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import Result

from tests.scheduler.inbox.inbox_world import InboxWorld

Run = Callable[..., Result]

TABLE = "audience: {file: people.csv, number: phone}"
LIST = "audience: {contact_list: 12}"
DAY = 'window: {from: "09:00", to: "20:00"}'
YEARS = ", ".join(str(date(2098, 1, 1) + timedelta(days=ahead)) for ahead in range(500))
NO_OFFSET = "leave the offset out, as in 2026-12-01 09:00, or write local_time: campaign"

CASES = [
    (
        TABLE,
        'schedule: {window: {days: mon, from: "09:00", to: "09:00"}}',
        "4:51: schedule.window.to: must differ from `from` (for whole days write 00:00 to 24:00)",
    ),
    (
        TABLE,
        f'schedule: {{start: 2098-01-01 09:00, window: {{from: "09:00", to: "20:00", except: [{YEARS}]}}}}',
        (
            "4:45: schedule.window: never opens in the next 400 days: all of its days are closed by `except` "
            "(name more days, or shorten `except`)"
        ),
    ),
    (
        TABLE,
        f"schedule: {{spread: 12h, {DAY}}}",
        (
            "4:20: schedule.spread: is longer than the window ever stays open "
            "(shorten it, or write throughput.daily to share the campaign out over several days)"
        ),
    ),
    (
        TABLE,
        "schedule: {spread: 2d, repeat: {cron: '0 9 * * *'}}",
        (
            "4:20: schedule.spread: is longer than the time between two runs: the next would begin before the "
            "last one is finished (shorten it, or repeat less often)"
        ),
    ),
    (
        LIST,
        "schedule: {spread: 2h}",
        (
            "4:20: schedule.spread: cannot be used with a contact list: the gateway sends to all of it with one "
            "request (remove `spread`, or use a file as audience)"
        ),
    ),
    (
        TABLE,
        "schedule: {spread: {over: 2h, ramp: [{share: 10, over: 3h}]}}",
        "4:37: schedule.spread.ramp: takes 3h of 2h, and 90 % are left (make `over` longer)",
    ),
    (
        LIST,
        f"schedule: {{local_time: recipient, {DAY}}}",
        (
            "4:24: schedule.local_time: cannot be recipient for a contact list: the gateway does not reveal its "
            "numbers and sends to all at once (write campaign, or use a file as audience)"
        ),
    ),
    (
        TABLE,
        "schedule: {local_time: recipient}",
        (
            "4:24: schedule.local_time: has no effect: the campaign has neither a start nor a window "
            "(add a start or a window, or remove it)"
        ),
    ),
    (
        TABLE,
        "schedule: {local_time: recipient, start: 2098-12-01T09:00+01:00}",
        (
            "4:42: schedule.start: has an offset and so is the same moment everywhere: local_time: recipient has no "
            f"effect ({NO_OFFSET})"
        ),
    ),
    (
        TABLE,
        "schedule: {start: 2098-12-02 09:00, repeat: {cron: '@daily', until: 2098-12-01}}",
        "4:69: schedule.repeat.until: is before the start (move one of the two)",
    ),
    (
        TABLE,
        "schedule: {repeat: {cron: '@daily', until: 2020-12-01}}",
        (
            "4:44: schedule.repeat.until: has passed already: no run is left "
            "(move it, or remove it to repeat without an end)"
        ),
    ),
    (
        TABLE,
        "schedule: {start: 2098-11-30 09:00, repeat: {cron: '0 9 1 jan *', until: 2098-12-24}}",
        (
            "4:52: schedule.repeat.cron: has no run between now, or the start, and `until` "
            "(move `until`, or repeat more often)"
        ),
    ),
    (
        TABLE,
        "schedule: {repeat: {cron: '0 9 31 feb *'}}",
        "4:27: schedule.repeat.cron: never happens: none of its months has that day (name a day that the month has)",
    ),
    (
        TABLE,
        f"schedule: {{repeat: {{cron: '0 9,21 * * *'}}, {DAY}}}",
        (
            "4:27: schedule.repeat.cron: has several runs that would wait for the same opening of the window: "
            "everybody would get all of them at once (repeat only while the window is open, or skip texts "
            "that wait too long: if_late: {within: 1h})"
        ),
    ),
    (
        TABLE,
        f"schedule: {{start: 2098-12-01 21:00, {DAY}, if_late: {{within: 2h}}}}",
        (
            "4:93: schedule.if_late.within: ends before the window opens: nothing would ever be sent "
            "(start inside the window, or allow more time)"
        ),
    ),
    (
        TABLE,
        f"schedule: {{repeat: {{cron: '0 21 * * *'}}, {DAY}, if_late: {{within: 2h}}}}",
        (
            "4:98: schedule.if_late.within: ends before the window opens: nothing would ever be sent "
            "(start inside the window, or allow more time)"
        ),
    ),
    (
        TABLE,
        "throughput: {daily: 500, monthly: 300}",
        "4:21: throughput.daily: is more than `monthly` allows in a whole month (lower it, or raise monthly)",
    ),
    (TABLE, "throughput: {daily: 0}", "4:21: throughput.daily: must be a whole number from 1 to 10000000, not '0'"),
    (
        TABLE,
        "throughput: {rate: 0/minute}",
        "4:20: throughput.rate: must allow from 1 to 100000 segments, not 0 (choose another unit of time)",
    ),
]


@pytest.mark.parametrize(("audience", "more", "line"), CASES, ids=[line.split(" (")[0][6:70] for *_, line in CASES])
def test_check_names_the_place_the_problem_and_a_way_out(
    run: Run, campaign_file: Path, audience: str, more: str, line: str
) -> None:
    campaign_file.write_text(f"campaign: sale\nmessage: Hello\n{audience}\n{more}\n")

    result = run("check", campaign_file.name)

    assert (result.exit_code, result.stderr) == (2, f"{campaign_file.name}:{line}\n")


def test_all_contradictions_of_a_file_are_told_at_once_and_those_of_the_defaults_at_their_place(
    run: Run, campaign_file: Path
) -> None:
    campaign_file.with_name("defaults.yaml").write_text(f"schedule: {{{DAY}}}\nthroughput: {{monthly: 10}}\n")
    campaign_file.write_text(
        f"campaign: sale\nmessage: Hello\n{TABLE}\nschedule: {{spread: 12h}}\nthroughput: {{daily: 20}}\n"
    )

    lines = run("check", campaign_file.name).stderr.splitlines()

    assert [line.split(" ")[:2] for line in lines] == [
        ["spring.yaml:4:20:", "schedule.spread:"],
        ["spring.yaml:5:21:", "throughput.daily:"],
    ]


@pytest.mark.parametrize("command", [["plan"], ["run", "--sandbox"]], ids=" ".join)
def test_plan_and_run_say_the_same_and_send_nothing(run: Run, campaign_file: Path, command: list[str]) -> None:
    campaign_file.write_text(f"campaign: sale\nmessage: Hello\n{TABLE}\nthroughput: {{daily: 500, monthly: 300}}\n")

    result = run(*command, campaign_file.name)

    assert result.exit_code == 2
    assert "spring.yaml:4:21: throughput.daily: is more than `monthly` allows in a whole month" in result.stderr


def test_the_inbox_says_the_same_beside_the_file(tmp_path: Path) -> None:
    world = InboxWorld(tmp_path)
    world.drop(more=f"schedule: {{spread: 12h, {DAY}}}\n")

    world.pass_time()

    status = world.status()
    world.close()
    assert "spring.yaml cannot be used. Nothing is sent." in status
    assert "spring.yaml:4:20: schedule.spread: is longer than the window ever stays open" in status
