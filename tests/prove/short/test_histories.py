"""No history doubles or loses a text, and every rule of the protocol is needed for that."""

import random
from collections import deque
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from campaigns.definition import OnUnknown
from campaigns.lifecycle import RecipientState
from tests.prove.histories import NUMBERS, SECONDS, TEXTS, History, draw_fault, main, run_many
from tests.prove.model.ending import judge, settle
from tests.prove.model.gateway import Dress, Mood, SendFault, Storing
from tests.prove.model.service import Flaw, look_up, send_job
from tests.prove.model.world import World

EXACT = timedelta(0)
ANNA, BEA = NUMBERS[:2]
PLACES = st.integers(0, 7)
SKEWS = st.sampled_from([timedelta(seconds=seconds) for seconds in (0, -5, 5)])
FAULTS = st.integers(0, 2**32 - 1).map(lambda seed: draw_fault(random.Random(seed)))
LISTS = st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=6, unique=True)


class Histories(RuleBasedStateMachine):
    """Random histories that hypothesis shrinks, with the same events as in the long form."""

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


@pytest.mark.parametrize("seed", [11, pytest.param(12, marks=pytest.mark.proof)])
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


def post_all(world: World, *faults: SendFault) -> None:
    """Post every due batch, with these faults in turn, and store its outcome."""
    world.tick(EXACT)
    world.faults.extend(faults)
    while world.jobs:
        deque(send_job(world, world.jobs.pop(0), EXACT), maxlen=0)


def look(world: World, *moods: Mood) -> None:
    """The scheduler looks once at everything in doubt; `moods` are how reads answer before each of its steps."""
    for attempt in [attempt for attempt in world.db.attempts if attempt.state == "unknown"]:
        steps = look_up(world, attempt, EXACT)
        for mood in moods:
            world.set_mood(mood)
            next(steps, None)
        deque(steps, maxlen=0)


@pytest.mark.parametrize(("flaws", "doubled"), [((), 0), ((Flaw.SHORT_LIES,), 1)])
def test_a_control_counts_only_if_it_saw_what_the_rest_of_the_look_saw(flaws: tuple[Flaw, ...], doubled: int) -> None:
    # Given a known message and, half an hour later, a text that is stored late and got no reply
    world = World(frozenset(flaws))
    world.plan("Hello", OnUnknown.RECONCILE, [[BEA]])
    post_all(world)
    world.pass_time(1_800)
    world.plan("Hello", OnUnknown.RECONCILE, [[ANNA]])
    post_all(world, SendFault("no_reply", Storing.LATE))
    world.pass_time(40)
    look(world, Mood.HONEST)
    world.pass_time(300)

    # When reads show nothing at all until the one that looks for the known message, in both looks that are needed
    look(world, Mood.EMPTY, Mood.EMPTY, Mood.EMPTY, Mood.HONEST)
    world.pass_time(70)
    look(world, Mood.EMPTY, Mood.EMPTY, Mood.EMPTY, Mood.HONEST)
    settle(world)

    # Then the control is blind as well, and nobody is sent to again
    assert judge(world).doubled == doubled


@pytest.mark.parametrize(("flaws", "lost"), [((), 0), ((Flaw.LIST_HALF_READ,), 6)])
def test_a_look_of_which_reads_failed_does_not_say_who_is_on_a_list(flaws: tuple[Flaw, ...], lost: int) -> None:
    # Given a contact list that got its texts, and no reply
    world = World(frozenset(flaws))
    world.plan_list("Hello", NUMBERS[:8])
    post_all(world, SendFault("no_reply", Storing.ALL))
    world.pass_time(340)

    # When the look after `settle` sees those that are pending, and then reads fail
    look(world, Mood.HALTING)
    settle(world)

    # Then a later look finds the others of the list
    assert judge(world).lost == lost


@pytest.mark.parametrize(("flaws", "lost"), [((), 0), ((Flaw.GROUP_HALF_READ,), 3)])
def test_a_group_is_not_known_by_its_numbers_in_a_look_of_which_reads_failed(
    flaws: tuple[Flaw, ...], lost: int
) -> None:
    # Given a request to three people that never arrived
    world = World(frozenset(flaws))
    world.plan("Hello", OnUnknown.RECONCILE, [NUMBERS[2:11:4]])
    post_all(world, SendFault("no_reply", Storing.NOTHING))

    # When another tool sends to twelve, and reads fail after exactly these three were seen to be pending
    world.overhear("From another tool", NUMBERS)
    world.pass_time(40)
    look(world, Mood.HALTING)
    settle(world)

    # Then they are not mistaken for ours
    assert judge(world).lost == lost


@pytest.mark.parametrize(("flaws", "lost"), [((), 0), ((Flaw.CANCEL_HELD,), 8)])
def test_a_list_that_is_held_is_not_called_cancelled(flaws: tuple[Flaw, ...], lost: int) -> None:
    # Given a contact list that got a rewritten text, and no reply
    world = World(frozenset(flaws))
    world.plan_list("Hello", NUMBERS[:8])
    post_all(world, SendFault("no_reply", Storing.ALL, Dress.REWRITTEN))

    # When its run is cancelled while it is in doubt
    world.cancel(0)
    settle(world)

    # Then nobody is said to have never been sent to
    assert judge(world).lost == lost


def test_what_is_held_unseen_is_out_of_sight_before_the_same_text_is_sent() -> None:
    # Given a text on a fresh account that is stored but got no reply, and reads that show nothing
    world = World()
    world.plan("Hello", OnUnknown.RECONCILE, [[ANNA]])
    post_all(world, SendFault("no_reply", Storing.ALL))
    world.set_mood(Mood.EMPTY)
    for seconds in (40, 295):
        world.pass_time(seconds)
        look(world)

    # When another run sends the same text to the same person, and that request never arrives
    world.plan("Hello", OnUnknown.RECONCILE, [[ANNA]])
    post_all(world, SendFault("no_reply", Storing.NOTHING))
    settle(world)

    # Then nobody is said to have the text of the other run
    assert judge(world).is_kept


def test_what_another_tool_sends_to_more_people_is_not_taken_for_ours() -> None:
    # Given a request that never arrived, and in the same minute another text to these people and others
    world = World()
    world.plan("Hello", OnUnknown.RECONCILE, [NUMBERS[:4]])
    post_all(world, SendFault("no_reply", Storing.NOTHING))
    world.overhear("From another tool", NUMBERS[:6])

    settle(world)

    assert judge(world).is_kept
    assert all(r.gateway_id is None for r in world.db.recipients if r.state is RecipientState.HELD)


def test_what_is_cancelled_before_the_request_is_written_is_not_sent() -> None:
    world = World()
    world.plan("Hello", OnUnknown.RECONCILE, [[ANNA, BEA]])
    world.tick(EXACT)
    job = send_job(world, world.jobs.pop(), EXACT)
    while next(job) != "P3":
        pass

    world.cancel(0)
    deque(job, maxlen=0)
    settle(world)

    assert world.gateway.messages == []
    assert {r.state for r in world.db.recipients} == {RecipientState.CANCELLED}
    assert judge(world).is_kept


def test_a_history_that_breaks_a_promise_is_shrunk_to_a_smaller_one() -> None:
    flaws = frozenset({Flaw.RETRY_EVERYTHING})
    seeds = (f"3:{number}" for number in range(20))
    history = next(h for h in map(History.from_seed, seeds) if not h.run(flaws)[1].is_kept)

    smaller = history.shrink(flaws)

    assert len(smaller.events) < len(history.events) / 2
    assert not smaller.run(flaws)[1].is_kept


def test_the_command_prints_its_figures_and_fails_where_a_promise_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--count", "30", "--seed", "5"]) == 0
    assert "doubled 0, lost 0" in capsys.readouterr().out
    assert main(["--count", "30", "--seed", "3", "--without", "retry-everything"]) == 1
    assert "3:" in capsys.readouterr().out
