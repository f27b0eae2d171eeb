"""A message's life as a pure function, and what it looks like from outside as time passes."""

import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.sandbox.conftest import StartSandbox
from tests.worker.sandbox.php_client import PhpClient, Row, until
from worker.sandbox.messages import Messages, Query, StoredMessage
from worker.sandbox.phones.life import NEVER, Life, LifeRules, Outcome, received, status_at
from worker.sandbox.running.options import Profile, SandboxOptions

RULES = SandboxOptions(pace_per_second=10.0).life_rules()
ORDER = ["Scheduled", "Pending", "Queued", "Sent", "Delivered"]


def rules(failed: float, no_report: float, seed: int = 0) -> LifeRules:
    return SandboxOptions(failed=failed, no_report=no_report, seed=seed).life_rules()


@pytest.mark.parametrize(
    ("now", "status"),
    [(99.9, "Scheduled"), (100.0, "Pending"), (103.0, "Queued"), (103.1, "Sent"), (110.0, "Delivered")],
)
def test_a_status_is_a_matter_of_time(now: float, status: str) -> None:
    # given: due at 100, on a SIM that is busy until 103 and needs 0.1 s for a message
    life = RULES.life(1, "+447700900123", 100.0, 103.0)
    # when / then
    assert status_at(life, now) == status


@given(
    message_id=st.integers(1, 10**9),
    due=st.floats(0, 2e9),
    free_at=st.floats(0, 2e9),
    times=st.lists(st.floats(0, 3e9), max_size=8),
)
def test_a_status_only_moves_up(message_id: int, due: float, free_at: float, times: list[float]) -> None:
    # given
    life = RULES.life(message_id, "+447700900123", due, free_at)
    # when
    steps = [ORDER.index(status_at(life, now)) for now in sorted(times)]
    # then
    assert steps == sorted(steps)
    assert life.due_at <= life.turn_at <= life.sent_at <= life.done_at
    assert life.done_at - life.sent_at <= 1.5 + 1e-6


@pytest.mark.parametrize(
    ("number", "outcome", "at_last"),
    [
        ("+393339990001", Outcome.FAILED, "Failed"),
        ("+393339990002", Outcome.NO_REPORT, "Sent"),
        ("+393339990003", Outcome.STUCK, "Pending"),
        ("+393330000001", Outcome.DELIVERED, "Delivered"),
    ],
)
def test_a_number_can_provoke_its_outcome(number: str, outcome: Outcome, at_last: str) -> None:
    # when
    life = RULES.life(7, number, 100.0, 0.0)
    # then
    assert life.outcome is outcome
    assert status_at(life, NEVER - 1) == at_last


def test_shares_are_met_and_stay_the_same_for_a_number() -> None:
    # given
    numbers = [f"+39333{n:07d}" for n in range(20_000)]
    # when
    outcomes = [rules(0.1, 0.2).outcome(number) for number in numbers]
    # then
    counts = Counter(outcomes)
    assert counts[Outcome.FAILED] / len(numbers) == pytest.approx(0.1, abs=0.01)
    assert counts[Outcome.NO_REPORT] / len(numbers) == pytest.approx(0.2, abs=0.01)
    assert outcomes == [rules(0.1, 0.2).outcome(number) for number in numbers]
    assert outcomes != [rules(0.1, 0.2, seed=1).outcome(number) for number in numbers]


def test_an_inbound_message_is_received_at_once() -> None:
    assert status_at(received(100.0), 100.0) == "Received"


def stored(message_id: int, accepted: int, queued: int, lasting: int, group: str, sim: int | None) -> StoredMessage:
    turn_at = float(accepted + queued) if queued < 20 else NEVER
    sent_at = min(turn_at + 0.5, NEVER)
    done_at = sent_at + lasting if lasting < 10 else NEVER
    outcome = Outcome.FAILED if lasting == 0 else Outcome.DELIVERED
    life = Life(float(accepted), turn_at, sent_at, min(done_at, NEVER), outcome)
    return StoredMessage(message_id, "+447700900123", "Hello", 1, sim, group, None, float(accepted), life)


seconds = st.integers(0, 40)
histories = st.lists(
    st.tuples(seconds, st.integers(0, 20), st.integers(0, 10), st.sampled_from("ab"), st.sampled_from([None, 0, 1])),
    max_size=30,
).map(lambda rows: [stored(message_id, *row) for message_id, row in enumerate(rows, 1)])
queries = st.builds(
    Query,
    id=st.none() | st.integers(1, 5),
    group=st.none() | st.sampled_from("ab"),
    status=st.none() | st.sampled_from(["pending", "queued", "sent", "delivered", "failed"]),
    sim=st.none() | st.integers(0, 1),
    start=seconds,
    end=seconds | st.just(Query().end),
)


@given(history=histories, query=queries, now=seconds)
def test_finding_by_index_is_finding_by_looking_at_everything(
    history: list[StoredMessage], query: Query, now: int
) -> None:
    # given
    messages = Messages()
    messages.add(history)
    # when
    found = messages.find(query, float(now))
    # then
    assert found == [message for message in history if query.accepts(message, float(now))]


def test_a_sim_keeps_its_pace(start_sandbox: StartSandbox) -> None:
    # given
    sandbox = start_sandbox(SandboxOptions(pace_per_second=20.0, delivery_min_seconds=0.0, delivery_max_seconds=0.0))
    gateway = PhpClient(sandbox.url, sandbox.key)
    began = time.monotonic()
    # when
    gateway.send_bulk([(f"+4477009000{n:02d}", "Hello") for n in range(20)], devices=[1, 2])
    until(lambda: len(_delivered(gateway)) == 20)
    # then: ten on each of two SIMs, one every 50 ms
    assert time.monotonic() - began >= 0.5


def test_outcomes_are_told_with_android_s_codes(start_sandbox: StartSandbox) -> None:
    # given
    sandbox = start_sandbox(SandboxOptions(profile=Profile.INTS, pace_per_second=1_000.0))
    gateway = PhpClient(sandbox.url, sandbox.key)
    # when
    gateway.send_bulk([(f"+39333999000{n}", "Hello") for n in (1, 2, 3)])
    rows = until(lambda: _settled(gateway))
    # then
    assert [(row["status"], row["resultCode"], row["errorCode"]) for row in rows] == [
        ("Failed", 1, 38),
        ("Sent", -1, None),
        ("Pending", None, None),
    ]
    assert [row["sentDate"] is None for row in rows] == [False, False, True]
    assert [row["deliveredDate"] for row in rows] == [None, None, None]


def _delivered(gateway: PhpClient) -> list[Row]:
    return [row for row in gateway.read() if row["status"] == "Delivered"]


def _settled(gateway: PhpClient) -> list[Row] | None:
    rows = gateway.read()
    return rows if [row["status"] for row in rows] == ["Failed", "Sent", "Pending"] else None
