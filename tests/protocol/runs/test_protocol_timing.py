"""Any campaign, in any zones, through any clock change: at its time, within its limits, as it was forecast."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.protocol.world.harness import Installation
from tests.protocol.world.scripted_gateway import Stored
from tests.protocol.world.timing_judge import Judge, play
from tests.protocol.world.timing_scenarios import ZONES, Opening, Person, Scenario, scenarios
from tests.prove.timing import problems_of
from tests.store.store_world import empty
from tests.support.clocks import FakeClock
from worker.store.engine import Store


@pytest.mark.long
@settings(
    max_examples=40,
    phases=[Phase.explicit, Phase.generate],  # shrinking takes minutes, and the examples are small already
    suppress_health_check=list(HealthCheck),
)
@given(scenario=scenarios())
def test_every_text_leaves_at_its_time_within_its_limits_and_as_it_was_forecast(
    sqlite_store: Store, scenario: Scenario
) -> None:
    assert problems_of(scenario, sqlite_store) == []


TAKING_TURNS = Scenario(
    now=datetime(2026, 6, 10, 14, 30, tzinfo=UTC),
    zone="Africa/Casablanca",
    is_local=True,
    start=None,
    window=None,
    spread=timedelta(hours=3),
    within=timedelta(hours=2),
    holds=False,
    rate=(5, 3600),
    daily=9,
    batch_size=2,
    people=tuple(
        Person(number, zone, is_long=number == 3)
        for number, zone in enumerate(
            ["Pacific/Chatham", "America/Santiago", "Africa/Casablanca", "Australia/Lord_Howe", "America/New_York"]
        )
    ),
    phones=3,
    phone_rate=30,
    phone_daily=2,
)
"""In turn, the first three go by a phone each. Each then has room for one segment: the fourth text, of two segments,
fits nowhere today, the fifth waits behind it, and tomorrow is too late for both. The forecast said that all five would
be sent."""


def test_phones_that_take_turns_are_forecast_by_their_turns(sqlite_store: Store) -> None:
    assert problems_of(TAKING_TURNS, sqlite_store) == []


MORNINGS = Scenario(
    now=datetime(2026, 3, 28, 6, 0, tzinfo=UTC),
    zone="Europe/Rome",
    is_local=True,
    start=None,
    window=Opening((0, 1, 2, 3, 4, 5, 6), time(9), time(12)),
    spread=timedelta(hours=1),
    within=None,
    holds=False,
    rate=(2, 60),
    daily=3,
    batch_size=1,
    people=tuple(Person(number, zone, False) for number, zone in enumerate([*ZONES, *ZONES])),
)


def make_earlier(stored: list[Stored]) -> None:
    stored[-1].at -= timedelta(hours=4)


def make_later(stored: list[Stored]) -> None:
    stored[0].at += timedelta(days=1)


def send_again(stored: list[Stored]) -> None:
    stored.append(stored[3])


def forget(stored: list[Stored]) -> None:
    stored.pop()


@pytest.mark.parametrize(
    ("tamper", "problem"),
    [
        (make_earlier, "sent outside of its hours"),
        (make_later, "segments on 2026-03-29, where 3 are allowed"),
        (send_again, "somebody got it twice"),
        (forget, "the gateway says otherwise"),
    ],
)
def test_the_judge_sees_what_is_wrong(
    tmp_path: Path, sqlite_store: Store, tamper: Callable[[list[Stored]], None], problem: str
) -> None:
    bench = Installation(tmp_path, sqlite_store, FakeClock(MORNINGS.now))
    try:
        run_id = play(bench, MORNINGS)
        before = list(Judge(bench, MORNINGS, run_id).problems())
        tamper(bench.gateway.stored)
        after = list(Judge(bench, MORNINGS, run_id).problems())
    finally:
        bench.close()
        empty(sqlite_store)

    assert before == []
    assert any(problem in found for found in after), after
