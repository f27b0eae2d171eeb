"""`pause`, `resume`, `cancel`."""

import json
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlmodel import col
from typer.testing import Result

from worker.store.engine import Store
from worker.store.models import Account, Batch, Run
from worker.store.runs import PAUSED_BY_HAND, run_view

Cli = Callable[..., Result]
Planned = Callable[[str], tuple[Store, int]]


def put(store: Store, run_id: int, state: str) -> None:
    with store.write() as session:
        session.execute(sa.update(Run).where(col(Run.id) == run_id).values(state=state))


def test_a_paused_campaign_says_how_to_go_on_and_does(run: Cli, planned: Planned) -> None:
    store, run_id = planned("spring-sale")
    put(store, run_id, "running")

    paused = run("pause", "spring-sale")
    with store.read() as session:
        seen = run_view(session, run_id)
    resumed = run("resume", "spring-sale")

    assert paused.stdout == "spring-sale is paused; let it go on with: campaigns resume spring-sale\n"
    assert (seen.state, seen.reason) == ("paused", PAUSED_BY_HAND)
    assert resumed.stdout == "spring-sale is running again\n"


def test_pausing_lists_the_batches_under_way(run: Cli, planned: Planned) -> None:
    store, run_id = planned("spring-sale")
    put(store, run_id, "running")
    with store.write() as session:
        first = session.execute(sa.select(sa.func.min(Batch.id))).scalar_one()
        session.execute(sa.update(Batch).where(col(Batch.id) == first).values(state="unknown"))

    result = run("pause", "spring-sale", "--json")

    assert json.loads(result.stdout) == {
        "campaign": "spring-sale",
        "run": run_id,
        "state": "paused",
        "in_flight": [first],
    }


def test_resuming_tells_when_the_account_is_paused(run: Cli, planned: Planned) -> None:
    store, _ = planned("spring-sale")
    run("pause", "spring-sale")
    with store.write() as session:
        session.execute(sa.update(Account).values(paused_reason="This API key is invalid"))

    result = run("resume", "spring-sale")

    assert result.stdout.splitlines() == [
        "spring-sale is scheduled again",
        "nothing is sent yet, for the account is paused: This API key is invalid",
    ]


def test_cancelling_counts_who_gets_nothing(run: Cli, planned: Planned) -> None:
    planned("spring-sale")

    result = run("cancel", "spring-sale", "--yes", "--json")

    cancelled = json.loads(result.stdout)
    assert (cancelled["state"], cancelled["unsent"], cancelled["in_flight"]) == ("cancelled", 2, [])
    counts = json.loads(run("status", "spring-sale", "--json").stdout)["recipients"]
    assert counts == {"audience": 4, "cancelled": 2, "invalid": 1, "duplicate": 1}


@pytest.mark.parametrize(
    ("command", "state", "sentence"),
    [
        ("pause", "completed", "spring-sale is completed already: there is nothing to pause\n"),
        ("pause", "paused", "spring-sale is paused already: there is nothing to pause\n"),
        ("pause", "cancelled", "spring-sale is cancelled already: there is nothing to pause\n"),
        ("resume", "running", "spring-sale is running and not paused\n"),
        ("resume", "completed", "spring-sale is completed and not paused\n"),
        ("cancel", "completed", "spring-sale is completed already: there is nothing to cancel\n"),
        ("cancel", "cancelled", "spring-sale is cancelled already: there is nothing to cancel\n"),
    ],
)
def test_what_does_not_apply_is_one_sentence(
    run: Cli, planned: Planned, command: str, state: str, sentence: str
) -> None:
    store, run_id = planned("spring-sale")
    put(store, run_id, state)

    result = run(command, "spring-sale")

    assert (result.exit_code, result.stdout, result.stderr) == (2, "", sentence)


@pytest.mark.parametrize("command", ["pause", "resume", "cancel", "export", "status"])
def test_an_unknown_campaign_is_bad_input(run: Cli, planned: Planned, command: str) -> None:
    planned("spring-sale")

    result = run(command, "zebra")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "there is no campaign zebra; list them with: campaigns status\n"
