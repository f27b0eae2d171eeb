"""`campaigns test`: one text, as the campaign would send it, and the campaign stays untouched."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.scheduler.again.again_world import Service, sent, texts
from tests.support.clocks import START
from worker.store.engine import Store
from worker.store.models import Suppression

Cli = Callable[..., Result]
ME = "+39 333 777 0000"
MINE = "+393337770000"

CAMPAIGN = """\
campaign: spring-sale
variants:
  - {name: a, share: 50, message: "Hi {{ name }}, come in."}
  - {name: b, share: 50, message: "Ciao {{ name }}!"}
holdout: 20
audience: [{file: people.csv}]
exclude: [{file: bought.csv}]
schedule: {start: 2030-01-01 09:00, window: {from: "03:00", to: "03:01"}}
"""
PEOPLE = "number,name\n+393330000001,Anna\n+393330000002,\n+393330000003,Bea\n+393330000004,Carl\n"


@pytest.fixture
def campaign(folder: Path) -> Path:
    """A campaign that starts years from now; its first row is excluded, its second has no name."""
    (folder / "people.csv").write_text(PEOPLE)
    (folder / "bought.csv").write_text("number\n+393330000001\n")
    path = folder / "sale.yaml"
    path.write_text(CAMPAIGN)
    return path


def test_one_text_is_sent_with_the_fields_of_the_first_row_that_can_be_sent_to(
    cli: Cli, campaign: Path, folder: Path
) -> None:
    result = cli("test", "sale.yaml", "--to", ME)

    assert result.exit_code == 0, result.output
    assert "fields of  row 4 of people.csv" in result.stdout
    assert "TEST, not counted as part of the campaign:\n  Hi Bea, come in.\n" in result.stdout
    assert result.stdout.endswith("delivered\n")
    assert MINE not in result.output
    assert (sent(folder), texts(folder)) == ({MINE: 1}, ["Hi Bea, come in."])


def test_a_row_and_a_variant_may_be_chosen(cli: Cli, campaign: Path, folder: Path) -> None:
    result = cli("test", "sale.yaml", "--to", ME, "--row", "5", "--variant", "b", "--json")

    told = json.loads(result.stdout)
    assert (told["campaign"], told["variant"], told["row"], told["text"]) == ("spring-sale", "b", 5, "Ciao Carl!")
    assert (told["state"], told["to"]) == ("delivered", "+39…00")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--variant", "c"], "there is no variant c; there is a, b"),
        (["--row", "9"], "there is no row 9 in the audience"),
        (["--row", "2"], "row 2 of people.csv is sent nothing (listed in bought.csv); choose another one"),
        (["--row", "3"], 'the field "name" is empty and has no default'),
        (["--to", "call me"], "the number cannot be used"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_reason(
    cli: Cli, campaign: Path, folder: Path, options: list[str], words: str
) -> None:
    result = cli("test", "sale.yaml", "--to", ME, *options)

    assert result.exit_code == 2
    assert words in result.stderr
    assert sent(folder) == {}


def test_a_number_that_opted_out_gets_no_test_either(cli: Cli, campaign: Path, folder: Path) -> None:
    cli("migrate")
    store = Store(f"sqlite:///{folder}/campaigns.db")
    with store.write() as session:
        session.add(Suppression(number=MINE, kind="marketing", source="reply", since=START))
    store.close()

    result = cli("test", "sale.yaml", "--to", ME)

    assert (result.exit_code, "has opted out" in result.stderr, sent(folder)) == (2, True, {})


def test_the_campaign_does_not_know_of_its_tests(cli: Cli, campaign: Path, folder: Path) -> None:
    # given two tests, the second to somebody of the audience
    cli("test", "sale.yaml", "--to", ME)
    cli("test", "sale.yaml", "--to", "+393330000004")

    # then there is no campaign yet
    assert cli("status", "spring-sale").exit_code == 2
    assert "spring-sale" not in cli("status").stdout
    # and when it runs, everybody gets theirs
    campaign.write_text(CAMPAIGN.partition("schedule")[0].replace("holdout: 20\n", ""))
    ran = json.loads(cli("run", "sale.yaml", "--json").stdout)
    assert ran["recipients"] == {"audience": 4, "delivered": 2, "invalid": 1, "excluded": 1}
    assert sent(folder) == {MINE: 1, "+393330000003": 1, "+393330000004": 2}
    # and `why` tells them apart
    story = cli("why", "+393330000004").stdout
    assert "spring-sale (a test text): delivered" in story
    assert "spring-sale: delivered" in story


def test_a_contact_list_is_tested_with_its_text(cli: Cli, folder: Path) -> None:
    (folder / "club.yaml").write_text("campaign: club\nmessage: Club night!\naudience: {contact_list: 1}\n")

    result = cli("test", "club.yaml", "--to", ME)

    assert (result.exit_code, sent(folder), texts(folder)) == (0, {MINE: 1}, ["Club night!"])


def test_a_text_that_fails_ends_with_3(cli: Cli, campaign: Path) -> None:
    result = cli("test", "sale.yaml", "--to", "+393339990001")

    assert result.exit_code == 3
    assert "failed: the phone could not send it" in result.stdout


def test_a_service_that_runs_sends_it(cli: Cli, campaign: Path, folder: Path, service: Service) -> None:
    service.start()

    result = cli("test", "sale.yaml", "--to", ME)

    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("delivered\n")
    assert sent(folder) == {MINE: 1}


def test_a_rehearsal_needs_no_setting(cli: Cli, campaign: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAMPAIGNS_GATEWAY_URL")
    monkeypatch.delenv("CAMPAIGNS_API_KEY")

    assert cli("test", "sale.yaml", "--to", ME, "--sandbox").exit_code == 0
    assert sent(folder) == {}


def test_without_a_gateway_nothing_is_sent_later(
    cli: Cli, campaign: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, sandbox: object
) -> None:
    monkeypatch.setenv("CAMPAIGNS_API_KEY", "wrong")

    refused = cli("test", "sale.yaml", "--to", ME)
    monkeypatch.setenv("CAMPAIGNS_API_KEY", "sandbox-test")
    again = cli("test", "sale.yaml", "--to", ME)

    assert refused.exit_code == 4
    assert again.exit_code == 0, again.output
    assert sent(folder) == {MINE: 1}
