"""Show that the proof can fail: the product without one rule of the protocol, in circumstances that need the rule.

`python -m tests.prove.ablation [--only RULE] --seed N`. Each rule's circumstances are tried twice: with the whole
product, which must keep every promise, and without the rule, which must break one. A rule that is not missed is either
superfluous or not covered by this proof.
"""

import argparse
import json
import logging
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from tests.prove.checker import Findings, check
from tests.prove.record.lines import Recording, recording
from tests.prove.steps import ablated
from tests.prove.world.product import Audience, write_campaign
from tests.prove.world.stage import Process, Stage, ends_within, kill, wait_until
from tests.prove.world.unrest import QUIET, only
from worker.logs import configure_logs
from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.case import FaultTimes
from worker.sandbox.faults.plan import FaultPlan, FaultRule

PEOPLE: Final = 60
BATCH: Final = 5
END_SECONDS: Final = 60.0
STARTED_SECONDS: Final = 20.0

LATE: Final = FaultTimes(late_min_seconds=1.0, late_max_seconds=1.8)
"""Too late for a look right after the failure, and well before `send_by` and `settle` are over."""

SLOW: Final = FaultTimes(slow_seconds=1.5)
"""Long enough for a kill between the storing of the message and its reply."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, the function of `removals` that removes it, and the circumstances in which it is needed.

    `act` is what is done to the processes before they are left alone; `patches` change only the circumstances.
    """

    name: str
    removal: str
    faults: FaultPlan
    act: Callable[["_Course"], None]
    patches: tuple[str, ...] = ()
    campaigns: int = 1
    people: int = PEOPLE
    more: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Missed:
    """The findings with the rule and without it."""

    rule: str
    kept: Findings
    broken: Findings
    seconds: float

    @property
    def is_needed(self) -> bool:
        """Return whether nothing breaks with the rule, and texts are doubled, lost or sent against it without it."""
        return not self.kept.violations and self.broken.doubled + self.broken.lost + self.broken.against > 0


@dataclass
class _Course:
    """One of the two trials of a rule."""

    stage: Stage
    command: tuple[str, ...]
    victim: tuple[str, ...]
    rng: random.Random

    def start(self) -> Process:
        return self.stage.start(*self.command, victim=self.victim)

    def wait_for_more(self, messages: int) -> None:
        """Wait until the gateway has this many more messages than now."""
        now = self.stage.stored()
        wait_until(lambda: self.stage.stored() >= now + messages, STARTED_SECONDS)


def _nothing(_course: _Course) -> None:
    """Do nothing: the faults are enough."""


def _kill_between(course: _Course) -> None:
    """Kill with SIGKILL as soon as the gateway has stored something that the process does not know about yet."""
    for _ in range(3):
        process = course.start()
        course.wait_for_more(1)
        kill(process)


def _restore_backup(course: _Course) -> None:
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
    for leftover in (*files, f"{stage.database.name}-shm"):
        (stage.folder / leftover).unlink(missing_ok=True)
    for name in files:
        shutil.copy(backup / name, stage.folder / name)


def _lose_database(course: _Course) -> None:
    """Kill with SIGKILL and delete the database; somebody runs `recover` before anything is planned anew."""
    process = course.start()
    course.wait_for_more(4 * BATCH)
    kill(process)
    database = course.stage.database
    for name in ("", "-wal", "-shm"):
        database.with_name(f"{database.name}{name}").unlink(missing_ok=True)
    course.stage.product.run("recover", victim=course.victim)


def _one_after_the_other(seed: int) -> FaultPlan:
    """The second and third request are lost, the fifth and sixth are answered late; the others make reads trusted."""

    def rule(name: str, first: int) -> FaultRule:
        return FaultRule((RequestKind.SEND,), 1.0, {name: 1.0}, from_request=first, until_request=first + 1)

    return FaultPlan(seed, (rule("drop_before", 2), rule("slow_reply", 5)), FaultTimes(slow_seconds=4.0))


def rules(seed: int) -> tuple[Rule, ...]:
    """Every rule that is tried."""
    lost_replies = only(0.4, seed, "server_error_after", "drop_after", "html_after", "empty_after")
    return (
        Rule("retry every error", "retry_every_error", lost_replies, _nothing),
        Rule("trust success: false", "trust_refusals", only(0.4, seed, "failure_unknown_after"), _nothing),
        # It checks `send_by`, and that nothing was concluded meanwhile. The rate keeps the run going until the hanging
        # request is written.
        Rule("no last check", "no_last_check", QUIET, _nothing, patches=("stall",), more="  rate: 5/second\n"),
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


def _try(rule: Rule, folder: Path, seed: int, *, removed: bool) -> Findings:
    patches = (*rule.patches, *((rule.removal,) if removed else ()))
    victim = tuple(argument for name in patches for argument in ("--patch", f"tests.prove.world.removals:{name}"))
    with Stage(folder, settings=dict(rule.settings)) as stage:
        audiences = [
            write_campaign(folder, f"news-{n}", recipients=rule.people, batch_size=BATCH, more=rule.more)
            for n in range(rule.campaigns)
        ]
        command = ("run", *(str(audience.path) for audience in audiences), "--json", "--verbose")
        stage.put_faults(rule.faults)
        course = _Course(stage, command, victim, random.Random(seed))
        rule.act(course)
        _end(course, audiences)
        return check(stage.evidence(audiences))


def _end(course: _Course, audiences: Sequence[Audience]) -> None:
    """Let it run to its end, and do what it asks a person to do."""
    until = time.monotonic() + END_SECONDS
    while time.monotonic() < until:
        process = course.start()
        ends_within(process, until - time.monotonic())
        if process.exitcode in {0, 3}:
            return
        if "campaigns recover" in course.stage.errors_of_last():
            course.stage.product.run("recover")
        else:
            for audience in audiences:
                course.stage.product.run("resume", audience.campaign)


def ablate(rule: Rule, folder: Path, seed: int) -> Missed:
    """Try a rule's circumstances with it and without it."""
    began = time.monotonic()
    kept = _try(rule, folder / "kept", seed, removed=False)
    broken = _try(rule, folder / "broken", seed, removed=True)
    return Missed(rule.name, kept, broken, time.monotonic() - began)


def ablate_condition(seed: int) -> Missed:
    """Try some worlds with steps whose conditions are read in the intent's transaction, and before it."""
    began = time.monotonic()
    found = [ablated.problems(seed, removed=removed) for removed in (False, True)]
    kept, broken = (Findings(tuple(each), 0, 0, 0, 0, 0, 0, 0, 0, 0, against=len(each)) for each in found)
    return Missed(ablated.RULE, kept, broken, time.monotonic() - began)


HEAD: Final = (
    f"{'rule':<22}{'with it: violations':>20}{'without: violations':>21}{'doubled':>9}{'lost':>6}{'against':>9}"
    f"{'seconds':>9}"
)


def table(result: Missed) -> str:
    """The findings with a rule and without it, in one line; and every violation of the whole product."""
    line = (
        f"{result.rule:<22}{len(result.kept.violations):>20}{len(result.broken.violations):>21}"
        f"{result.broken.doubled:>9}{result.broken.lost:>6}{result.broken.against:>9}{result.seconds:>9.0f}"
    )
    verdict = "" if result.is_needed else "  NOT MISSED"
    return "\n".join([line + verdict, *(f"WITH {result.rule}: {each}" for each in result.kept.violations)])


def _told(result: Missed, record: Recording) -> Missed:
    """Print it, and record it: a rule that is not missed is a broken promise of the proof itself."""
    record.add({"rules": 1, "caught": int(result.is_needed)}, broken=int(not result.is_needed))
    sys.stdout.write(table(result) + "\n")
    sys.stdout.flush()
    return result


def main(arguments: Sequence[str]) -> int:
    """Exit code 1: a rule was not missed, or the whole product broke a promise."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.ablation")
    parser.add_argument("--only", action="append", metavar="RULE", help="part of a rule's name")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work in this folder and leave it behind")
    chosen = parser.parse_args(arguments)
    tried = [rule for rule in rules(chosen.seed) if not chosen.only or any(part in rule.name for part in chosen.only)]
    results = []
    configure_logs("json", level=logging.CRITICAL)
    is_all = not chosen.only or any(part in ablated.RULE for part in chosen.only)
    sys.stdout.write(HEAD + "\n")
    with (
        recording("ablation", seed=chosen.seed) as record,
        tempfile.TemporaryDirectory(prefix="ablation-") as temporary,
    ):
        for rule in tried:
            folder = (chosen.keep or Path(temporary)) / rule.removal
            results.append(_told(ablate(rule, folder, chosen.seed), record))
        if is_all:
            results.append(_told(ablate_condition(chosen.seed), record))
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")
    return 0 if all(result.is_needed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
