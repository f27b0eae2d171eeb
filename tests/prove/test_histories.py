"""No history doubles or loses a text, and every rule of the protocol is needed for that."""

import random
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from campaigns.definition import OnUnknown
from campaigns.lifecycle import RecipientState, RunState
from tests.prove.histories import NUMBERS, SECONDS, TEXTS, History, draw_fault, main, run_many
from tests.prove.model_ending import judge, settle
from tests.prove.model_gateway import Mood, SendFault, Storing
from tests.prove.model_service import Flaw, look_up, send_job
from tests.prove.model_world import World

EXACT = timedelta(0)
PLACES = st.integers(0, 7)
SKEWS = st.sampled_from([timedelta(seconds=seconds) for seconds in (0, -5, 5)])
FAULTS = st.integers(0, 2**32 - 1).map(lambda seed: draw_fault(random.Random(seed)))
LISTS = st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=6, unique=True)


class Histories(RuleBasedStateMachine):
    """Random histories that hypothesis shrinks: the same events as in the long form."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(first=LISTS, second=LISTS, policy=st.sampled_from([OnUnknown.RECONCILE, OnUnknown.HOLD]))
    def plan(self, first: list[str], second: list[str], policy: OnUnknown) -> None:
        self.world.plan(TEXTS[0], policy, [first[:3], first[3:]] if len(first) > 3 else [first])
        self.world.plan(TEXTS[0], OnUnknown.RECONCILE, [second])

    @rule(place=PLACES)
    def step(self, place: int) -> None:
        self.world.step(place)

    @rule(skew=SKEWS)
    def tick(self, skew: timedelta) -> None:
        self.world.tick(skew)

    @rule(place=PLACES, skew=SKEWS, fault=FAULTS, leaves_it=st.booleans(), steps=st.integers(1, 5))
    def take(self, place: int, skew: timedelta, fault: SendFault, leaves_it: bool, steps: int) -> None:
        self.world.faults.append(fault)
        self.world.take_job(place, skew, leaves_it=leaves_it)
        for _ in range(steps):
            self.world.step(len(self.world.processes) - 1)

    @rule(seconds=st.sampled_from(SECONDS))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(mood=st.sampled_from(Mood))
    def reads(self, mood: Mood) -> None:
        self.world.set_mood(mood)

    @rule(place=PLACES)
    def crash(self, place: int) -> None:
        self.world.crash(place)

    @rule(run=PLACES, what=st.sampled_from(["pause", "resume", "cancel", "resend_held"]))
    def control(self, run: int, what: str) -> None:
        getattr(self.world, what)(run)

    @rule()
    def lose_jobs(self) -> None:
        self.world.lose_jobs()

    def teardown(self) -> None:
        if self.world.db.runs:
            settle(self.world)
            books = judge(self.world)
            assert books.is_kept, books


def test_no_history_that_hypothesis_finds_breaks_a_promise() -> None:
    few = settings(max_examples=300, stateful_step_count=30, deadline=None, derandomize=True, database=None)

    run_state_machine_as_test(Histories, settings=few)


@pytest.mark.parametrize("seed", [11, 12])
def test_no_random_history_breaks_a_promise(seed: int) -> None:
    totals = run_many(850, seed)

    assert totals.broken == []
    assert totals.doubled == totals.lost == 0
    assert totals.events["crashes"] > 400
    assert totals.recipients > 8_000


@pytest.mark.parametrize(
    ("flaw", "histories"),
    [
        (Flaw.RETRY_EVERYTHING, 20),
        (Flaw.TRUST_SUCCESS_FALSE, 300),
        (Flaw.NO_SEND_BY, 300),
        (Flaw.LATE_DEADLINE, 500),
        (Flaw.SETTLE_EARLY, 300),
        (Flaw.NO_NUMBER_LOCK, 50),
        (Flaw.NO_QUARANTINE, 500),
        (Flaw.MATCH_WITHOUT_FLOOR, 300),
        (Flaw.LIST_IN_COMPANY, 1_000),
    ],
)
def test_every_rule_is_needed(flaw: Flaw, histories: int) -> None:
    for number in range(histories):
        history = History.from_seed(f"3:{number}")
        if not history.run(frozenset({flaw}))[1].is_kept:
            assert history.run()[1].is_kept
            return
    pytest.fail(f"{histories} histories without {flaw} kept every promise")
