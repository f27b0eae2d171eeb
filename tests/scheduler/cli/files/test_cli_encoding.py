"""`encoding` where people look: the plan, the status and the report."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from typer.testing import Result

from scheduler.intake.taking import read_file, take_up
from tests.support.clocks import START, FakeClock
from worker.building import build_runtime
from worker.settings.settings import load_settings

Run = Callable[..., Result]

LONG = "it’s time: our spring sale begins on Saturday at nine, in all our shops."


FILE = """\
campaign: spring-sale
message: "{message}"
audience: {{file: people.csv, number: phone}}
schedule: {{start: 2026-12-01 09:00, timezone: Europe/Rome}}
encoding: {encoding}
"""


def test_check_knows_what_a_text_takes_once_it_is_replaced(run: Run, campaign_file: Path) -> None:
    said = {}
    for encoding in ("as_is", "gsm", "gsn"):
        campaign_file.write_text(FILE.format(message="It’s long. " * 70, encoding=encoding), encoding="utf-8")
        said[encoding] = run("check", str(campaign_file)).stderr

    assert "takes 12 segments" in said["as_is"]
    assert "segments" not in said["gsm"]
    assert "spring.yaml:5:11: encoding: must be one of as_is, gsm, gsm_plain, not 'gsn'" in said["gsn"]


def test_a_plan_its_status_and_its_report_say_what_is_replaced(
    run: Run, campaign_file: Path, migrated: Callable[[Path], None]
) -> None:
    campaign_file.write_text(
        FILE.format(message=LONG + " Hi {{ first_name | default('there') }}", encoding="gsm"), encoding="utf-8"
    )

    shown = run("plan", str(campaign_file))
    plan = json.loads(run("plan", str(campaign_file), "--json").stdout)

    assert "saved        2 texts take 2 fewer segments in GSM characters\n" in shown.stdout
    assert 'replaced     U+2019 RIGHT SINGLE QUOTATION MARK by "\'" in 2 texts\n' in shown.stdout
    assert f"one text as it is written\n  {LONG} Hi Anna\n" in shown.stdout
    assert f"and as it is sent\n  {LONG.replace('’', chr(39))} Hi Anna\n" in shown.stdout
    quote = {"character": "’", "code": "U+2019", "name": "RIGHT SINGLE QUOTATION MARK", "written": "'", "texts": 2}
    example = {"as_written": f"{LONG} Hi Anna", "text": f"{LONG.replace('’', chr(39))} Hi Anna"}
    assert plan["replaced"] == {
        "texts": 2,
        "segments_saved": 2,
        "characters": [quote],
        "more_characters": 0,
        "example": example,
    }

    migrated(campaign_file.parent)
    clock = FakeClock(START - timedelta(days=1))
    runtime = build_runtime(load_settings(gateway_url="http://127.0.0.1:9", api_key="unused"), clock=clock)
    take_up(runtime, read_file(campaign_file, runtime.settings), source=campaign_file.name)
    runtime.close()
    page = campaign_file.with_name("page.html")

    assert "saved    2 texts take 2 fewer segments in GSM characters\n" in run("status", "spring-sale").stdout
    status = json.loads(run("status", "spring-sale", "--json").stdout)
    assert status["replaced"] == {"texts": 2, "segments_saved": 2}
    run("export", "spring-sale", "--format", "html", "--output", str(page))
    assert "2 texts take 2 fewer segments in GSM characters" in page.read_text(encoding="utf-8")


def test_a_plan_says_how_many_replaced_characters_it_does_not_show(run: Run, campaign_file: Path) -> None:
    signs = "‘’‛‹›′“”„‟\u200b"
    message = f"{signs} Our spring sale begins on Saturday at nine, in all our shops. Come!"
    campaign_file.write_text(FILE.format(message=message, encoding="gsm"), encoding="utf-8")

    shown = run("plan", str(campaign_file)).stdout
    characters = json.loads(run("plan", str(campaign_file), "--json").stdout)["replaced"]["characters"]

    assert "removed      U+200B ZERO WIDTH SPACE in 2 texts\n" in shown
    assert shown.count("\nreplaced  ") == 10
    assert "replaced     and 1 more character\n" in shown
    assert [each["character"] for each in characters] == sorted(signs)
