"""`campaigns verify`: one line for each promise, what is wrong with whom, and an exit code."""

import json
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from typer.testing import Result

from scheduler.exits import Exit
from scheduler.verify.checks import Check
from worker.settings.settings import load_settings
from worker.store.engine import Store

Run = Callable[..., Result]


def test_a_rehearsal_is_verified_with_its_gateway_and_without(run: Run, campaign_file: Path) -> None:
    campaign_file.write_text(campaign_file.read_text().partition("schedule:")[0])
    assert run("run", str(campaign_file), "--sandbox").exit_code == Exit.DONE

    # with its gateway
    whole = run("verify", "spring-sale", "--sandbox")
    assert (whole.exit_code, whole.stdout.splitlines()[-1]) == (Exit.DONE, "spring-sale (1 run) kept its promises")
    lines = whole.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines[1:-1]] == [check.value.replace("_", " ") for check in Check]
    assert "+39" not in whole.stdout

    # without it, which is said
    left_out = json.loads(run("verify", "spring-sale", "--json").stdout)
    assert (left_out["ok"], left_out["gateway"]) == (True, False)
    assert "add --sandbox" in left_out["left_out"]
    assert "the gateway was not asked (--offline)" in run("verify", "spring-sale", "--sandbox", "--offline").stdout

    # and when something is wrong, it is named
    store = Store(load_settings().database_url)
    with store.write() as session:
        session.execute(sa.text("UPDATE recipient SET text = 'Hi Bob', number = '+393331000009' WHERE line = 2"))
    store.close()
    broken = run("verify", "spring-sale", "--sandbox")
    assert broken.exit_code == Exit.UNHAPPY
    assert "messages: +39…09 (row 2 of people.csv) message " in broken.stdout
    assert "went to +39…01, run 1" in broken.stdout
    assert broken.stdout.splitlines()[-1] == "spring-sale (1 run) broke its promises: 3 things are wrong"
    found = json.loads(run("verify", "spring-sale", "--sandbox", "--json").stdout)
    assert (found["ok"], found["wrong"]) == (False, 3)
    messages = next(each for each in found["checks"] if each["check"] == "messages")
    assert {each["breach"] for each in messages["findings"]} == {"other_number", "other_text"}
    assert {each["row"] for each in messages["findings"]} == {"row 2 of people.csv"}
    assert {each["number"] for each in messages["findings"]} == {"+39…09"}


def test_one_thing_that_is_wrong_is_one(run: Run, campaign_file: Path) -> None:
    campaign_file.write_text(campaign_file.read_text().partition("schedule:")[0])
    assert run("run", str(campaign_file), "--sandbox").exit_code == Exit.DONE
    store = Store(load_settings().database_url)
    with store.write() as session:
        session.execute(sa.text("UPDATE run_count SET amount = amount + 1 WHERE figure = 'request'"))
    store.close()

    broken = run("verify", "spring-sale", "--sandbox")

    assert broken.stdout.splitlines()[-1] == "spring-sale (1 run) broke its promises: 1 thing is wrong"


def test_a_campaign_that_nobody_knows_is_refused(run: Run, planned: Callable[[str], tuple[Store, int]]) -> None:
    planned("spring-sale")

    assert run("verify", "sprung-sale").exit_code == Exit.BAD_INPUT
    assert run("verify", "spring-sale", "--sandbox").exit_code == Exit.BAD_INPUT  # it was never rehearsed
    assert run("verify", "spring-sale").exit_code == Exit.DONE
    assert run("verify", "spring-sale", "--run", "7").exit_code == Exit.BAD_INPUT
