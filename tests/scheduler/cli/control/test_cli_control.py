"""`pause`, `resume`, `cancel`."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col
from typer.testing import Result

from campaigns.codes import PausedBy
from worker.store.engine import Store
from worker.store.models import Account, Batch, Run
from worker.store.runs.runs import run_view
from worker.store.sending.accounts import account_view, stop_for_new_gateway
from worker.store.sending.claim import load_work
from worker.store.sending.intent import record_intent

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)

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

    assert paused.stdout == "spring-sale is paused; resume it with: campaigns resume spring-sale\n"
    assert (seen.state, seen.paused_by, seen.reason) == ("paused", PausedBy.PERSON, "paused by hand")
    assert resumed.stdout == "spring-sale is running again\n"


@pytest.mark.parametrize("command", [("pause",), ("cancel", "--yes")], ids=["pause", "cancel"])
def test_what_is_under_way_is_listed_with_its_people_and_age(
    run: Cli, planned: Planned, command: tuple[str, ...]
) -> None:
    # given a request that began a while ago
    store, run_id = planned("spring-sale")
    put(store, run_id, "running")
    with store.write() as session:
        batch = session.execute(sa.select(sa.func.min(Batch.id))).scalar_one()
        work = load_work(session, batch)
        assert work is not None
        begun = datetime.now(UTC) - timedelta(seconds=90)
        record_intent(session, work, target="", now=begun, send_by=timedelta(seconds=30))

    in_json = json.loads(run(*command, "spring-sale", "--json").stdout)

    (request,) = in_json["in_flight"]
    assert 90 <= request.pop("age_seconds") < 120
    assert request == {"batch": batch, "recipients": 1}

    # and in words
    put(store, run_id, "running")
    told = run(*command, "spring-sale").stdout.splitlines()
    assert told[1] == "under way, or looked up at the gateway, and perhaps still delivered:"
    assert re.fullmatch(rf"  batch {batch}: 1 to be sent to, for [0-9.]+ s", told[2])


def test_resuming_tells_when_the_account_is_paused(run: Cli, planned: Planned) -> None:
    store, _ = planned("spring-sale")
    run("pause", "spring-sale")
    with store.write() as session:
        session.execute(sa.update(Account).values(paused_by=PausedBy.GATEWAY, paused_reason="This API key is invalid"))

    result = run("resume", "spring-sale")

    assert result.stdout.splitlines() == [
        "spring-sale is scheduled again",
        "nothing is sent yet, because the account is paused: This API key is invalid",
    ]


def test_a_new_gateway_is_told_by_one_option(run: Cli, planned: Planned) -> None:
    # given an account that was paused because IDs started over
    store, run_id = planned("spring-sale")
    with store.write() as session:
        account_id = run_view(session, run_id).account_id
        session.execute(sa.update(Account).values(highest_gateway_id=50_000))
        stop_for_new_gateway(session, account_id, now=NOW)

    # when it is resumed as after an alarm, then the command says which option it needs
    refused = run("resume", "spring-sale", "--account")
    assert refused.exit_code == 2
    assert "--new-gateway" in refused.stderr

    assert run("resume", "spring-sale", "--new-gateway").stdout == "the gateway account is resumed\n"
    with store.read() as session:
        account = account_view(session, account_id)
    assert (account.paused_by, account.highest_gateway_id) == (PausedBy.NOBODY, 0)


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
        ("pause", "completed", "spring-sale is already completed: there is nothing to pause\n"),
        ("pause", "paused", "spring-sale is already paused: there is nothing to pause\n"),
        ("pause", "cancelled", "spring-sale is already cancelled: there is nothing to pause\n"),
        ("resume", "running", "spring-sale is running and not paused\n"),
        ("resume", "completed", "spring-sale is completed and not paused\n"),
        ("cancel", "completed", "spring-sale is already completed: there is nothing to cancel\n"),
        ("cancel", "cancelled", "spring-sale is already cancelled: there is nothing to cancel\n"),
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
