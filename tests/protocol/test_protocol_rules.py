"""Operator rules that are newer than a plan: unsent texts keep to them, and what cannot is not sent."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from campaigns.definition import Kind
from campaigns.lifecycle import RecipientState, RunState
from campaigns.policy import ALL_KINDS, parse_cap, parse_hours
from scheduler.actions.acting import Actor, ActorKind
from scheduler.actions.approving import approve
from tests.protocol.world.harness import Installation
from worker.store.runs import runs
from worker.store.runs.runs import RunView

ONE, OTHER = "+393331234567", "+393337654321"
AFTERNOON = {"hours": parse_hours("daily 15:00-16:00")}
"""By Rome's clocks, an hour ahead of UTC; the clock is at 09:00 UTC on Tuesday 2026-12-01."""


def drop(bench: Installation, more: str = "", *, name: str = "sale", people: tuple[str, ...] = (ONE,)) -> None:
    numbers = ", ".join(f"{{number: '{number}'}}" for number in people)
    text = f"campaign: {name}\nmessage: Ciao {name}\naudience: {{recipients: [{numbers}]}}\nfollow: {{until: 1h}}\n"
    schedule = "" if "schedule:" in more else "schedule: {timezone: Europe/Rome, start: 2026-12-01 11:00}\n"
    bench.drop(text + schedule + more)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-12-{text}").replace(tzinfo=UTC)


def ruled(bench: Installation, **rules: Any) -> Installation:
    """Restart the service with these settings; nobody touches the file."""
    return Installation(bench.folder, bench.store, bench.clock, bench.gateway, **rules)


def run_of(bench: Installation, name: str = "sale") -> RunView:
    with bench.store.read() as session:
        run = runs.find_run(session, name)
    assert run is not None
    return run


@pytest.mark.parametrize(
    ("window", "sent_at"),
    [
        ("", "01T14:00"),
        (", window: {from: '08:00', to: '20:00'}", "01T14:00"),
        (", window: {from: '15:30', to: '20:00'}", "01T14:30"),
        (", window: {days: thu, from: '08:00', to: '20:00'}", "03T14:00"),
    ],
    ids=["no window", "wider", "overlapping", "on other days"],
)
def test_a_plan_is_sent_within_hours_that_were_set_later(bench: Installation, window: str, sent_at: str) -> None:
    drop(bench, f"schedule: {{timezone: Europe/Rome, start: 2026-12-01 11:00{window}}}\n")

    ruled(bench, **AFTERNOON).live_until(at("03T16:00"))

    assert [message.at for message in bench.gateway.stored] == [at(sent_at)]


def test_a_run_that_began_goes_on_within_hours_that_were_set_later(bench: Installation) -> None:
    drop(bench, "throughput: {rate: 1/hour}\n", people=(ONE, OTHER))
    bench.live_until(at("01T10:30"))

    ruled(bench, **AFTERNOON, require_approval=ALL_KINDS).live_until(at("01T16:00"))

    assert [message.at for message in bench.gateway.stored] == [at("01T10:00"), at("01T14:00")]


@pytest.mark.parametrize("own", ["", "frequency_cap: {messages: 5, per: 1d}\n"], ids=["no cap", "a looser one"])
def test_a_cap_that_was_set_later_is_kept_when_a_plan_is_sent(bench: Installation, own: str) -> None:
    drop(bench, own)
    drop(bench, own, name="again")

    ruled(bench, frequency_cap=parse_cap("1/7d")).live_until(at("01T10:30"))

    assert len(bench.gateway.stored) == 1
    states = [set(bench.states(run_of(bench, name).id)) for name in ("sale", "again")]
    assert {RecipientState.CAPPED} in states


def test_a_plan_waits_for_approval_that_was_required_later(bench: Installation) -> None:
    drop(bench)
    later = ruled(bench, require_approval=ALL_KINDS)

    with structlog.testing.capture_logs() as log:
        later.live_until(at("01T12:00"))
    waiting = run_of(bench)
    assert (waiting.state, bench.gateway.stored) == (RunState.AWAITING_APPROVAL, [])
    assert [line["run"] for line in log if line["event"] == "run.awaits_approval"] == [waiting.id]

    anna = Actor(ActorKind.CLI, "anna")
    approve(bench.store, anna, "sale", waiting.plan_hash, inbox=Path("inbox"), four_eyes=False, now=bench.clock.now())
    later.live_until(at("01T12:30"))

    assert len(bench.gateway.stored) == 1


def test_a_plan_of_a_kind_that_is_not_allowed_any_more_is_paused_before_it_begins(bench: Installation) -> None:
    drop(bench)

    with structlog.testing.capture_logs() as log:
        ruled(bench, kinds=frozenset({Kind.REMINDER})).live_until(at("01T12:00"))

    paused = run_of(bench)
    assert [line["reason"] for line in log if line["event"] == "run.paused"] == [paused.reason]
    assert paused.state is RunState.PAUSED
    assert paused.reason.startswith("kind: is marketing, which the operator does not allow here (")
    assert bench.gateway.stored == []
