"""`campaigns resend`: with phones that fail, next to a service, twice at once, and killed halfway."""

import csv
import json
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col
from typer.testing import Result

from campaigns.lifecycle import RecipientState
from tests.scheduler.again.again_world import Service, sent, start, wait_until
from tests.support.json_lines import whole_lines
from worker.store.engine import Store
from worker.store.models import Recipient

Cli = Callable[..., Result]

CAMPAIGN = """\
campaign: spring-sale
variants:
  - {name: a, share: 50, message: "Hi {{ name }}"}
  - {name: b, share: 50, message: "Ciao {{ name }}"}
audience: [{file: people.csv}]
throughput: {batch_size: 5}
"""
FINE = [f"+3933310000{place:02}" for place in range(10)]
NO_SERVICE = [f"+39{prefix}9991004" for prefix in (330, 331, 333, 334, 335, 338)]
UNCLEAR = ["+393339990001"]


@pytest.fixture
def campaign(folder: Path) -> Path:
    """Ten people who get it, six whose phone has no service, and one whose phone fails without a reason."""
    people = "".join(f"{number},N{place}\n" for place, number in enumerate([*FINE, *NO_SERVICE, *UNCLEAR]))
    (folder / "people.csv").write_text(f"number,name\n{people}")
    path = folder / "sale.yaml"
    path.write_text(CAMPAIGN)
    return path


@pytest.fixture
def failed(cli: Cli, campaign: Path) -> dict[str, Any]:
    """The campaign, run to its end."""
    ran: dict[str, Any] = json.loads(cli("run", "sale.yaml", "--json").stdout)
    assert ran["recipients"] == {"audience": 17, "delivered": 10, "failed": 7}
    return ran


def copies(folder: Path) -> dict[int, set[str]]:
    """How often the gateway accepted a text -> the numbers for which it accepted one that often."""
    found: dict[int, set[str]] = {}
    for number, times in sent(folder).items():
        found.setdefault(times, set()).add(number)
    return found


def test_a_dry_run_says_who_and_why_and_sends_nothing(cli: Cli, failed: dict[str, Any], folder: Path) -> None:
    result = cli("resend", "spring-sale", "--only", "failed", "--dry-run")

    assert result.exit_code == 0
    assert "6  the phone could not send it: the phone has no service      sent again" in result.stdout
    assert "1  the phone could not send it: generic failure of the phone  left out" in result.stdout
    assert "6 people of spring-sale to be texted again" in result.stdout
    assert sent(folder).total() == 17


def test_only_who_is_proven_not_to_have_it_gets_it_again_with_the_same_text(
    cli: Cli, failed: dict[str, Any], folder: Path
) -> None:
    result = cli("resend", "spring-sale", "--only", "failed", "--json")

    told = json.loads(result.stdout)
    assert (result.exit_code, told["recipients"]) == (3, {"audience": 6, "failed": 6})
    assert copies(folder) == {1: {*FINE, *UNCLEAR}, 2: set(NO_SERVICE)}
    lines = whole_lines(folder / "ledger.jsonl")
    assert set(Counter((line["number"], line["message"]) for line in lines).values()) == {1, 2}
    # and the campaign still shows everybody once
    status = json.loads(cli("status", "spring-sale", "--json").stdout)
    assert (status["run"], status["recipients"]) == (failed["run"], failed["recipients"])
    assert [again["run"] for again in status["resends"]] == [told["run"]]
    exported = [json.loads(line) for line in cli("export", "spring-sale", "--json").stdout.splitlines()]
    assert len(exported) == len({row["number"] for row in exported}) == 17
    # and each of those six knows both runs
    story = cli("why", NO_SERVICE[0]).stdout
    assert f"run {told['run']}: sends again what had failed in run {failed['run']}" in story
    assert f"sent again: in run {told['run']}" in story


def test_those_who_did_not_reply_get_it_once_more_and_not_twice(cli: Cli, failed: dict[str, Any], folder: Path) -> None:
    dry = cli("resend", "spring-sale", "--only", "no-reply", "--dry-run")
    assert "10 people of spring-sale to be texted again" in dry.stdout
    assert sent(folder).total() == 17

    told = json.loads(cli("resend", "spring-sale", "--only", "no-reply", "--json").stdout)
    assert (told["recipients"], told["step"]) == ({"audience": 10, "delivered": 10}, "no-reply:1")
    assert copies(folder) == {1: {*NO_SERVICE, *UNCLEAR}, 2: set(FINE)}
    again = cli("resend", "spring-sale", "--only", "no-reply")
    assert "10  they have a later text of the campaign, or wait for one" in again.stdout
    assert (again.exit_code, sent(folder).total()) == (0, 27)
    status = json.loads(cli("status", "spring-sale", "--json").stdout)
    assert (status["run"], [step["run"] for step in status["steps"]]) == (failed["run"], [told["run"]])
    assert f"run {told['run']}" in cli("why", FINE[0]).stdout


def test_with_nobody_to_send_to_it_says_so(cli: Cli, campaign: Path, folder: Path) -> None:
    (folder / "people.csv").write_text(f"number,name\n{FINE[0]},Anna\n{UNCLEAR[0]},Bea\n")
    cli("run", "sale.yaml")

    result = cli("resend", "spring-sale", "--only", "failed")

    assert (result.exit_code, sent(folder).total()) == (0, 2)
    assert "0 people of spring-sale to be texted again" in result.stdout


def test_a_rehearsal_is_not_sent_again_for_real(cli: Cli, campaign: Path, folder: Path) -> None:
    cli("run", "sale.yaml", "--sandbox")

    result = cli("resend", "spring-sale", "--only", "failed")

    assert result.exit_code == 2
    assert "was a rehearsal: add --sandbox" in result.stderr


def test_a_service_that_runs_sends_it(cli: Cli, failed: dict[str, Any], folder: Path, service: Service) -> None:
    service.start()

    result = cli("resend", "spring-sale", "--only", "failed")

    assert result.exit_code == 3, result.output
    assert copies(folder) == {1: {*FINE, *UNCLEAR}, 2: set(NO_SERVICE)}


def test_whoever_is_held_in_a_resend_is_shown_and_decided_on(cli: Cli, failed: dict[str, Any], folder: Path) -> None:
    again = json.loads(cli("resend", "spring-sale", "--only", "failed", "--json").stdout)["run"]
    store = Store(f"sqlite:///{folder}/campaigns.db")
    with store.write() as session:  # a lost reply leaves somebody whom nobody can find in this state
        mine = col(Recipient.run_id) == again, col(Recipient.number) == NO_SERVICE[0]
        session.execute(sa.update(Recipient).where(*mine).values(state=RecipientState.HELD, gateway_id=None))
    store.close()

    shown = json.loads(cli("held", "spring-sale", "--json").stdout)
    resolved = json.loads(cli("resolve", "spring-sale", "--as", "sent", "--json").stdout)

    assert (shown["run"], shown["held"]) == (again, 1)
    assert (resolved["run"], resolved["people"]) == (again, 1)


def test_two_commands_at_once_make_one_run(cli: Cli, failed: dict[str, Any], folder: Path) -> None:
    both = [start(folder, "resend", "spring-sale", "--only", "failed", "--json") for _ in range(2)]
    for each in both:
        each.code()
    told = [json.loads(each.output.read_text().splitlines()[-1]) for each in both]

    runs = {each["run"] for each in told} - {None}
    assert len(runs) >= 1
    # The later one may have found the first one over, and all of them failed again: that is a second failure.
    assert max(sent(folder).values()) <= 1 + len(runs)
    assert {number for number, times in sent(folder).items() if times == 1} == {*FINE, *UNCLEAR}


@pytest.mark.parametrize("point", ["resend:before_commit", "resend:committed", "post:replied", "reply:committed"])
def test_killed_in_the_middle_and_called_again_nobody_is_sent_to_twice(
    cli: Cli, failed: dict[str, Any], folder: Path, point: str
) -> None:
    killed = start(folder, "resend", "spring-sale", "--only", "failed", crash=point)
    assert killed.code(seconds=60) == -signal.SIGKILL

    result = cli("resend", "spring-sale", "--only", "failed")

    assert result.exit_code == 3, result.output
    assert copies(folder) == {1: {*FINE, *UNCLEAR}, 2: set(NO_SERVICE)}


def test_the_report_in_the_inbox_has_everybody_once(
    cli: Cli, folder: Path, campaign: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a campaign of the inbox that is over
    inbox = folder / "campaigns" / "inbox"
    inbox.mkdir(parents=True)
    for name in ("people.csv", "sale.yaml"):
        (folder / name).rename(inbox / name)
    service.start()
    report = inbox / "sale.report.csv"
    wait_until(report.exists)
    before = messages(report)

    cli("resend", "spring-sale", "--only", "failed")

    # then both files report it once it is over
    wait_until(lambda: messages(report) != before)
    after = messages(report)
    assert len(before) == len(after) == 17
    assert {number for number, message in after.items() if message != before[number]} == set(NO_SERVICE)
    wait_until(lambda: "(completed): 6 failed" in (inbox / "sale.status.txt").read_text(encoding="utf-8"))


def messages(report: Path) -> dict[str, str]:
    """Number -> the message at the gateway that the report has for it; each number occurs once."""
    with report.open(encoding="utf-8", newline="") as stream:
        rows = [(row["number"], row["gateway_id"]) for row in csv.DictReader(stream)]
    assert len(rows) == len(dict(rows))
    return dict(rows)


def test_a_newcomer_can_try_it_in_a_rehearsal_without_any_setting(
    cli: Cli, campaign: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its gateway says why a text failed, as recorded ones do: by number here, or where a phone is made to fail."""
    for name in ("GATEWAY_URL", "API_KEY"):
        monkeypatch.delenv(f"CAMPAIGNS_{name}")
    ran = json.loads(cli("run", "sale.yaml", "--sandbox", "--json").stdout)
    assert ran["recipients"] == {"audience": 17, "delivered": 10, "failed": 7}
    would = cli("resend", "spring-sale", "--only", "failed", "--sandbox", "--dry-run")
    assert (would.exit_code, "6 people of spring-sale to be texted again" in would.stdout) == (0, True)
    assert "1  the phone could not send it: generic failure of the phone  left out" in would.stdout
