"""The circumstances in which each rule of the protocol is needed, for `ablation`."""

import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.prove.world.stage import Process, Stage, ends_within, kill, wait_until
from tests.prove.world.unrest import QUIET, only
from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.case import FaultTimes
from worker.sandbox.faults.plan import FaultPlan, FaultRule

PEOPLE: Final = 60
BATCH: Final = 5
STARTED_SECONDS: Final = 20.0

IN_DOUBT: Final = 3
"""This many requests are in doubt before an account sends nothing more."""

LATE: Final = FaultTimes(late_min_seconds=1.0, late_max_seconds=1.8)
"""Too late for a look right after the failure, and well before `send_by` and `settle` are over."""

SLOW: Final = FaultTimes(slow_seconds=1.5)
"""Long enough for a kill between the storing of the message and its reply."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, the function of `removals` that removes it, and the circumstances in which it is needed.

    `act` is what is done to the processes before they are left alone; `patches` change only the circumstances. `batch`
    is the size of a request, `rate` the rate of the campaign as (segments, seconds), for the model.
    """

    name: str
    removal: str
    faults: FaultPlan
    act: Callable[["Course"], None]
    patches: tuple[str, ...] = ()
    campaigns: int = 1
    people: int = PEOPLE
    more: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    batch: int = BATCH
    rate: tuple[int, float] = (0, 1.0)


@dataclass
class Course:
    """One of the two trials of a rule."""

    stage: Stage
    command: tuple[str, ...]
    victim: tuple[str, ...]
    rng: random.Random
    numbers: Sequence[str] = ()

    def start(self) -> Process:
        return self.stage.start(*self.command, victim=self.victim)

    def wait_for_more(self, messages: int) -> None:
        """Wait until the gateway has this many more messages than now."""
        now = self.stage.stored()
        wait_until(lambda: self.stage.stored() >= now + messages, STARTED_SECONDS)


def _nothing(_course: Course) -> None:
    """Do nothing: the faults are enough."""


def _kill_between(course: Course) -> None:
    """Kill with SIGKILL as soon as the gateway has stored something that the process does not know about yet."""
    for _ in range(3):
        process = course.start()
        course.wait_for_more(1)
        kill(process)


def _kill_after_one(course: Course) -> None:
    """Kill with SIGKILL once the first request is stored and recorded."""
    process = course.start()
    course.wait_for_more(1)
    ends_within(process, 1.0)
    kill(process)


def _opt_out(course: Course) -> None:
    """Opt everybody out while the first requests are in doubt."""
    course.start()
    wait_until(lambda: course.stage.posts() >= IN_DOUBT, STARTED_SECONDS)
    course.stage.product.run("suppress", "add", *course.numbers)
    ends_within(course.stage.processes[-1], STARTED_SECONDS)


def _restore_backup(course: Course) -> None:
    """Copy the database at one kill, and put the copy back after another."""
    stage = course.stage
    backup = stage.folder / "backup"
    backup.mkdir()
    files = (stage.database.name, f"{stage.database.name}-wal")
    for step in range(2):
        process = course.start()
        course.wait_for_more(2 * BATCH)
        kill(process)
        if step == 0:
            for name in files:
                shutil.copy(stage.folder / name, backup / name)
    stage.end_life()
    for leftover in (*files, f"{stage.database.name}-shm"):
        (stage.folder / leftover).unlink(missing_ok=True)
    for name in files:
        shutil.copy(backup / name, stage.folder / name)


def _lose_database(course: Course) -> None:
    """Kill with SIGKILL and delete the database; somebody runs `recover` before anything is planned anew."""
    process = course.start()
    course.wait_for_more(4 * BATCH)
    kill(process)
    course.stage.end_life()
    database = course.stage.database
    for name in ("", "-wal", "-shm"):
        database.with_name(f"{database.name}{name}").unlink(missing_ok=True)
    course.stage.product.run("recover", victim=course.victim)


def _one_after_the_other(seed: int) -> FaultPlan:
    """The second and third request are lost, the fifth and sixth are answered late; the others make reads trusted."""

    def rule(name: str, first: int) -> FaultRule:
        return FaultRule((RequestKind.SEND,), 1.0, {name: 1.0}, from_request=first, until_request=first + 1)

    return FaultPlan(seed, (rule("drop_before", 2), rule("slow_reply", 5)), FaultTimes(slow_seconds=4.0))


def first_requests(seed: int, name: str, kind: RequestKind, *, until: int) -> FaultPlan:
    """The first requests of a kind have this fault."""
    return FaultPlan(seed, (FaultRule((kind,), 1.0, {name: 1.0}, until_request=until),))


def _blind(seed: int) -> FaultPlan:
    """The first replies are lost, and until these requests have settled, reads show nothing at all."""
    lost = FaultRule((RequestKind.SEND,), 1.0, {"drop_after": 1.0}, until_request=IN_DOUBT)
    blind = FaultRule((RequestKind.READ,), 1.0, {"lies_empty": 1.0}, until_seconds=15.0)
    return FaultPlan(seed, (lost, blind))


def rules(seed: int) -> tuple[Rule, ...]:
    """Every rule that is tried."""
    lost_replies = only(0.4, seed, "server_error_after", "drop_after", "html_after", "empty_after")
    return (
        Rule("retry every error", "retry_every_error", lost_replies, _nothing),
        Rule("trust success: false", "trust_refusals", only(0.4, seed, "failure_unknown_after"), _nothing),
        # It checks `send_by`, and that nothing was concluded meanwhile. The rate keeps the run going until the hanging
        # request is written.
        Rule("no last check", "no_last_check", QUIET, _nothing, patches=("stall",), more="  rate: 5/second\n"),
        Rule(
            "trust the allow-list",
            "trust_allow_list",
            first_requests(seed, "partly_credits_gone", RequestKind.SEND, until=2),
            _nothing,
        ),
        # A request hangs until it was concluded as lost, and then gives itself up.
        Rule("close twice", "close_twice", QUIET, _nothing, patches=("stall",), more="  rate: 5/second\n"),
        Rule("no control", "no_control", _blind(seed), _nothing),
        Rule(
            "opt-out before intent",
            "no_opt_out_in_intent",
            first_requests(seed, "drop_before", RequestKind.SEND, until=IN_DOUBT),
            _opt_out,
        ),
        Rule("no limit", "no_limit", QUIET, _nothing, people=40, batch=20, more="  rate: 30/minute\n", rate=(30, 60.0)),
        # The first request takes two thirds of the minute: a second one right after the restart is too much.
        Rule(
            "limits are not rebuilt",
            "forget_grants",
            QUIET,
            _kill_after_one,
            people=40,
            batch=20,
            more="  rate: 30/minute\n",
            rate=(30, 60.0),
        ),
        Rule("settle at once", "settle_at_once", only(0.4, seed, "late_server_error", times=LATE), _nothing),
        # Requests of the first campaign are lost; those of the second, to the same people, are stored and answered
        # late.
        # One thread, so that they come in this order.
        Rule(
            "no number lock",
            "no_number_lock",
            _one_after_the_other(seed),
            _nothing,
            campaigns=2,
            people=3 * BATCH,
            settings={"threads": "1"},
        ),
        Rule("no quarantine", "no_quarantine", only(1.0, seed, "slow_reply", times=SLOW), _restore_backup),
        Rule("what is found is not kept", "keep_nothing", QUIET, _lose_database, more="  rate: 20/second\n"),
        Rule("intent not committed", "intent_not_committed", only(1.0, seed, "slow_reply", times=SLOW), _kill_between),
    )
