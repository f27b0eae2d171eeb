"""`people` and `reply`: what is done for many, and answers, by hand."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import Result

from campaigns.lifecycle import BatchState, RecipientState
from campaigns.optout import Meaning
from tests.support.clocks import START
from worker.store.engine import Store
from worker.store.people.stored_replies import Incoming, store_replies
from worker.store.runs.runs import run_view
from worker.store.tables import batches, recipients

Cli = Callable[..., Result]
Planned = Callable[[str], tuple[Store, int]]

ANNA = "+393331000001"


@pytest.fixture
def gateway(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of a gateway that nobody calls."""
    monkeypatch.setenv("CAMPAIGNS_GATEWAY_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("CAMPAIGNS_API_KEY", "unused")


@pytest.mark.usefixtures("gateway")
def test_people_are_shown_before_something_is_done_for_them(run: Cli, planned: Planned) -> None:
    store, run_id = planned("spring-sale")
    with store.write() as session:
        session.execute(sa.update(recipients).values(state=RecipientState.HELD))
        session.execute(sa.update(recipients).where(recipients.c.number == ANNA).values(device=7))
        session.execute(sa.update(batches).values(state=BatchState.HELD))
        everybody = session.scalar(sa.select(sa.func.count()).select_from(recipients))
    shown = run("people", "spring-sale", "--do", "resend", "--device", "7", "--dry-run").stdout
    assert f"0 people of run {run_id} of spring-sale would be sent to again" in shown
    assert "2 not: their text has not failed" in shown
    done = json.loads(run("people", "spring-sale", "--do", "sent", "--device", "7", "--json").stdout)
    assert (done["done"], done["people"], done["left_out"]) == (True, 2, [])
    left = json.loads(run("people", "spring-sale", "--do", "sent", "--dry-run", "--json").stdout)
    assert (left["done"], left["people"]) == (False, (everybody or 0) - 2)
    wrong = run("people", "spring-sale", "--do", "sent", "--reply", "maybe")
    assert (wrong.exit_code, "there is no reply maybe; use one of any, none" in wrong.stderr) == (2, True)


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    ("option", "value", "people"),
    [
        ("--device", "7", 2),
        ("--device", "none", 2),
        ("--result-code", "4", 2),
        ("--result-code", "none", 2),
        ("--part", "text.", 2),
        ("--part", "control", 0),
        ("--reached", "people", 4),
        ("--reached", "sent", 0),
        ("--device", "seven", None),
        ("--reached", "failed", None),
    ],
)
def test_people_are_chosen_by_what_a_figure_counts(
    run: Cli, planned: Planned, option: str, value: str, people: int | None
) -> None:
    store, _ = planned("spring-sale")
    with store.write() as session:
        session.execute(sa.update(recipients).values(state=RecipientState.HELD))
        session.execute(sa.update(recipients).where(recipients.c.number == ANNA).values(device=7, result_code=4))
    shown = run("people", "spring-sale", "--do", "sent", option, value, "--dry-run", "--json")
    if people is None:
        assert (shown.exit_code, value in shown.stderr) == (2, True)
    else:
        assert json.loads(shown.stdout)["people"] == people


@pytest.mark.usefixtures("gateway")
def test_a_reply_is_listed_shown_and_answered_once(run: Cli, planned: Planned) -> None:
    store, run_id = planned("spring-sale")
    with store.write() as session:
        said = [Incoming(1, ANNA, "When do you open?", None, None, START, Meaning.REPLY)]
        (reply,) = store_replies(session, run_view(session, run_id).account_id, said, came_by="poll", now=START)
    assert "When do you open?" in run("reply").stdout
    assert f'answer with: campaigns reply {reply.id} "TEXT"' in run("reply", str(reply.id)).stdout
    assert "is answered by message" in run("reply", str(reply.id), "At nine.").stdout
    again = run("reply", str(reply.id), "At ten.")
    assert (again.exit_code, "to answer all the same: --seen 1" in again.stderr) == (2, True)
    assert "At nine." in run("reply", str(reply.id)).stdout
    assert json.loads(run("reply", str(reply.id), "And at two.", "--seen", "1", "--json").stdout)["answer"] == 2
    assert run("reply").stdout == "no reply waits for an answer\n"
