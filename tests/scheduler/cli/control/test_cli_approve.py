"""`approve`: exactly one plan is released; and what `plan`, `run` and `status` say about one that waits."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col
from typer.testing import Result

from worker.store.engine import Store
from worker.store.events import EventName
from worker.store.models import Event

Run = Callable[..., Result]

FILE = 'campaign: sale\nmessage: Ciao\naudience: {recipients: [{number: "+393331112223"}]}\napproval: true\n'
SANDBOX = "--sandbox"


@pytest.fixture
def waiting(run: Run, campaign_file: Path) -> tuple[Path, str]:
    """A campaign that waits for approval, and the hash that `plan` shows for it."""
    campaign_file.write_text(FILE)
    shown = json.loads(run("plan", campaign_file.name, SANDBOX, "--json").stdout)
    result = run("run", campaign_file.name, SANDBOX)
    assert result.exit_code == 4
    assert f"campaigns approve sale --plan {shown['plan'][:12]}" in result.stderr
    return campaign_file, shown["plan"]


def test_a_plan_is_approved_by_the_beginning_of_its_hash_and_run_goes_on(
    run: Run, folder: Path, waiting: tuple[Path, str]
) -> None:
    file, plan = waiting
    said = json.loads(run("status", "sale", "--json").stdout)
    assert said["state"] == "awaiting_approval"
    assert said["approval"] == {"plan": plan, "command": f"campaigns approve sale --plan {plan[:12]}"}

    first = json.loads(run("approve", "sale", "--plan", plan[:8], "--json").stdout)
    again = json.loads(run("approve", "sale", "--plan", plan.upper(), "--json").stdout)

    assert (first["plan"], first["was_approved"], again["was_approved"]) == (plan, False, True)
    with Store(f"sqlite:///{folder / 'campaigns.db'}").read() as session:
        (detail,) = session.scalars(sa.select(col(Event.detail)).where(col(Event.name) == EventName.PLAN_APPROVED))
    assert detail["plan"] == plan
    assert detail["by"]
    told = json.loads(run("status", "sale", "--json").stdout)["approved"]
    assert (told["by"], told["at"][:2]) == (detail["by"], "20")
    assert f"by {detail['by']}, " in run("status", "sale").stdout
    assert run("run", file.name, SANDBOX).exit_code == 0


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        ("1234567", "1234567 is not the hash of a plan: copy at least 8 of the digits shown by `plan`"),
        ("no-hash-at-all", "no-hash-at-all is not the hash of a plan"),
        ("12345678", "12345678 is not a plan of sale, whose plan is"),
    ],
)
def test_another_hash_is_refused(run: Run, waiting: tuple[Path, str], plan: str, why: str) -> None:
    result = run("approve", "sale", "--plan", plan)

    assert result.exit_code == 2
    assert why in result.stderr


def test_an_old_hash_is_refused_with_what_changed(run: Run, waiting: tuple[Path, str]) -> None:
    file, old = waiting
    file.write_text(FILE.replace("}]}", '}, {number: "+393331112224"}]}'))
    assert run("run", file.name, SANDBOX).exit_code == 4

    result = run("approve", "sale", "--plan", old)

    assert result.exit_code == 2
    changes = "the file was changed, 2 audience instead of 1, 2 pending instead of 1"
    assert f"the plan {old[:12]} of sale is not what would be sent now: {changes}; look at the plan" in result.stderr


def test_what_needs_no_approval_or_is_over_is_said(run: Run, waiting: tuple[Path, str]) -> None:
    file, plan = waiting
    assert run("cancel", "sale", "--yes").exit_code == 0
    assert (
        "nothing of sale is waiting for approval any more: it is cancelled"
        in run("approve", "sale", "--plan", plan).stderr
    )
    file.write_text(FILE.replace("approval: true", "approval: false").replace("sale", "plain"))
    run("run", file.name, SANDBOX)

    assert "plain needs no approval" in run("approve", "plain", "--plan", plan).stderr
    assert "there is no campaign salt; did you mean sale?" in run("approve", "salt", "--plan", plan).stderr


def test_exclude_unread_in_part_is_told_by_plan_and_run_and_waits(run: Run, campaign_file: Path) -> None:
    campaign_file.write_text(FILE.replace("approval: true", "exclude: {file: stop.csv}"))
    (campaign_file.parent / "stop.csv").write_text("number\n+393331112224\nx\ny\n")
    told = "2 rows of stop.csv contain no phone number and so exclude nobody (first: row 3)"

    shown = json.loads(run("plan", campaign_file.name, SANDBOX, "--json").stdout)
    assert told in shown["warnings"]
    assert shown["approval"]["command"] in run("plan", campaign_file.name, SANDBOX).stdout
    result = run("run", campaign_file.name, SANDBOX)
    assert result.exit_code == 4
    assert told in " ".join(result.stderr.split())

    assert run("approve", "sale", "--plan", shown["plan"]).exit_code == 0
    assert run("run", campaign_file.name, SANDBOX).exit_code == 0


def test_plan_tells_how_many_are_over_the_cap(run: Run, campaign_file: Path) -> None:
    capped = FILE.replace("approval: true", "frequency_cap: {messages: 1, per: 7d}")
    campaign_file.write_text(capped)
    before = json.loads(run("plan", campaign_file.name, SANDBOX, "--json").stdout)
    assert run("run", campaign_file.name, SANDBOX).exit_code == 0
    campaign_file.write_text(capped.replace("sale", "other"))

    after = json.loads(run("plan", campaign_file.name, SANDBOX, "--json").stdout)

    assert (before["over_cap_now"], after["over_cap_now"]) == (0, 1)
    words = run("plan", campaign_file.name, SANDBOX).stdout
    assert "1 in 7d to one person, over all marketing campaigns; over it now, and would get nothing: 1" in words


def test_plan_shows_three_who_get_nothing_and_how_many_more(run: Run, campaign_file: Path) -> None:
    wrong = "".join(f', {{number: "wrong {n}"}}' for n in "abcd")
    campaign_file.write_text(FILE.replace("}]", f"}}{wrong}]"))

    shown = [" ".join(line.split()) for line in run("plan", campaign_file.name, SANDBOX).stdout.splitlines()]

    assert sum(line.startswith("nothing for invalid: ") for line in shown) == 4
    assert "nothing for invalid: 1 more row" in shown
    assert any(line.startswith("approval needed before anything is sent: campaigns approve sale") for line in shown)


def test_plan_says_how_many_rows_a_condition_leaves_out(run: Run, campaign_file: Path) -> None:
    people = '{number: "+393331112223", vip: "yes"}, {number: "+393331112224", vip: "no"}, {number: "+393331112225"}'
    campaign_file.write_text(
        f"campaign: sale\nmessage: Ciao\naudience: {{recipients: [{people}], where: vip == 'yes'}}\n"
    )

    shown = [" ".join(line.split()) for line in run("plan", campaign_file.name, SANDBOX).stdout.splitlines()]
    said = json.loads(run("plan", campaign_file.name, SANDBOX, "--json").stdout)

    assert "left out 2 rows of recipients, where vip == 'yes'" in shown
    assert said["left_out"] == [{"source": "recipients", "where": "vip == 'yes'", "rows": 2}]
    assert said["not_sent"] == ["excluded: left out by `where`: vip == 'yes'"]
    assert run("run", campaign_file.name, SANDBOX).exit_code == 0
