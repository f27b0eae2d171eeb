"""`campaigns capacity`: what a campaign takes, and what would make it end in time."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import Result

Run = Callable[..., Result]

FILE = """\
campaign: spring-sale
message: {message}
audience: {{file: people.csv}}
schedule: {{start: 2099-12-01 10:00, timezone: Europe/Rome, window: {{from: "10:00", to: "12:00"}}}}
throughput: {{rate: 30/hour}}
"""
BY = "2099-12-01 18:00"


@pytest.fixture
def file(folder: Path) -> Path:
    """A campaign to 100 people that takes two days."""
    (folder / "people.csv").write_text("number\n" + "".join(f"+39333{place:07}\n" for place in range(100)))
    path = folder / "spring.yaml"
    path.write_text(FILE.format(message="Our spring sale begins."))
    return path


def study(run: Run, file: Path, *more: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("capacity", str(file), "--json", *more).stdout)
    return found


def test_what_a_campaign_takes(run: Run, file: Path) -> None:
    shown, plan = run("capacity", str(file)).stdout, json.loads(run("plan", str(file), "--json").stdout)
    found = study(run, file)

    assert found == {
        "campaign": "spring-sale",
        "phones": 1,
        "texts": 100,
        "segments": 100,
        "first_send_at": plan["first_send_at"],
        "last_send_at": plan["last_send_at"],
        "unsent": 0,
        "unsent_because": None,
        "seconds": 86_400 + 39 * 120,
        "limited_by": "30/hour",
        "disk_bytes": 100 * (190 + 23),
        "by": None,
        "in_time": True,
        "changes": [],
    }
    assert "takes       1d1h18m\n" in shown
    assert "disk        about 21.3 kB in the database\n" in shown


def test_the_smallest_change_of_each_kind_that_would_be_enough(run: Run, file: Path) -> None:
    found = study(run, file, "--by", BY)

    assert not found["in_time"]
    assert [(each["key"], each["now"], each["needed"]) for each in found["changes"]] == [
        ("schedule.start", "2099-12-01 10:00", "2099-11-30 10:41"),
        ("schedule.window", "daily 10:00 to 12:00", "daily 10:00 to 13:30"),
        ("throughput.rate", "30/hour", "50/hour"),
    ]
    shown = run("capacity", str(file), "--by", BY).stdout
    assert "It is not done by Tue 2099-12-01 18:00 (Europe/Rome). Each of these alone would be enough:" in shown
    assert "daily 10:00 to 13:30" in shown
    assert all(line == line.rstrip() for line in shown.splitlines())
    assert "It is done by Thu 2099-12-03" in run("capacity", str(file), "--by", "2099-12-03 18:00").stdout


def test_made_as_it_is_said_the_change_is_enough(run: Run, file: Path) -> None:
    needed = {each["key"]: each["needed"] for each in study(run, file, "--by", BY)["changes"]}
    file.write_text(file.read_text().replace("30/hour", needed["throughput.rate"]))

    assert study(run, file, "--by", BY)["in_time"]


def test_what_no_single_change_brings(run: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run("capacity", str(file), "--by", "2099-11-30 18:00").stdout
    assert "no single change of its file or of a limit would be enough" not in found  # it can start earlier
    assert "schedule.start" in found
    monkeypatch.setenv("CAMPAIGNS_RATE", "30/hour")
    by = datetime.now(ZoneInfo("Europe/Rome")) + timedelta(hours=2)  # 100 texts at 30 an hour, by two limits
    text = file.read_text().replace("2099-12-01 10:00", "now").replace(', window: {from: "10:00", to: "12:00"}', "")
    file.write_text(text)
    found = run("capacity", str(file), "--by", f"{by:%Y-%m-%d %H:%M}").stdout
    assert "and no single change of its file or of a limit would be enough." in found


def test_phones_and_texts_that_take_fewer_segments(run: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMPAIGNS_DEVICE_RATE", "2/minute")
    long = "it\u2019s time: our spring sale begins on Saturday at nine, in all our shops."
    file.write_text(
        "campaign: spring-sale\naudience: {file: people.csv}\n"
        f"message: '{long}'\nschedule: {{start: 2099-12-01 10:00, timezone: Europe/Rome}}\n",
        encoding="utf-8",
    )
    found = {each["key"]: each["needed"] for each in study(run, file, "--by", "2099-12-01 11:00")["changes"]}

    assert found["devices.use"] == "2 phones or SIMs"
    assert found["encoding"] == "gsm"
    assert found["CAMPAIGNS_DEVICE_RATE"] == "4/minute"
    assert found["schedule.start"] < "2099-12-01 10:00"
    assert "throughput.rate" not in found


@pytest.mark.parametrize(
    ("audience", "more", "said"),
    [
        ("{contact_list: 7}", "", "only the gateway knows how many people a contact list has"),
        (
            "{file: people.csv}",
            "schedule: {remind: {column: number, before: 2h}}",
            "a campaign with reminders has no end: each of its texts has a moment of its own",
        ),
    ],
)
def test_a_campaign_without_an_end_of_its_own_is_refused(
    run: Run, file: Path, audience: str, more: str, said: str
) -> None:
    file.write_text(f"campaign: spring-sale\nmessage: Hi\naudience: {audience}\n{more}\n")
    refused = run("capacity", str(file))
    assert refused.exit_code != 0
    assert said in refused.stderr


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("soon", "--by must be a date and time, not 'soon'"),
        ("2020-12-01 18:00", "--by 2020-12-01 18:00 is in the past: give a moment to come"),
        ("2099-12-01", "--by has no time of day: '2099-12-01'"),
        ("now", "--by has to be a moment to come, such as 2026-12-01 18:00"),
    ],
)
def test_a_moment_is_written_as_a_start_is(run: Run, file: Path, by: str, said: str) -> None:
    refused = run("capacity", str(file), "--by", by)
    assert refused.exit_code != 0
    assert said in refused.stderr
