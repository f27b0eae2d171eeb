"""Show that the proof can fail: the product without one rule of the protocol, in circumstances that need the rule.

`python -m tests.prove.ablation [--only RULE] --seed N`. Each rule's circumstances are tried twice: with the whole
product, which must keep every promise, and without the rule, which must break one. A rule that is not missed is either
superfluous or not covered by this proof.
"""

import argparse
import json
import logging
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from tests.prove.checker import Findings, check
from tests.prove.record.lines import Recording, recording
from tests.prove.spec.observed import Replayed
from tests.prove.steps import ablated
from tests.prove.world import fence
from tests.prove.world.circumstances import Course, Rule, rules
from tests.prove.world.product import Audience, write_campaign
from tests.prove.world.stage import Stage, ends_within
from worker.logs import configure_logs

END_SECONDS: Final = 90.0


@dataclass(frozen=True, slots=True)
class Missed:
    """The findings with the rule and without it, and what of both is in the model of the protocol."""

    rule: str
    kept: Findings
    broken: Findings
    seconds: float
    kept_replayed: Replayed = field(default_factory=Replayed)
    broken_replayed: Replayed = field(default_factory=Replayed)

    @property
    def is_needed(self) -> bool:
        """Return whether nothing breaks with the rule, and something does without it: texts are doubled, lost or sent
        against it, or what is committed is no step of the model.
        """
        is_kept = not self.kept.violations and not self.kept_replayed.problems
        return (
            is_kept and self.broken.doubled + self.broken.lost + self.broken.against + self.broken_replayed.outside > 0
        )


def _try(rule: Rule, folder: Path, seed: int, *, removed: bool) -> tuple[Findings, Replayed]:
    patches = (*rule.patches, *((rule.removal,) if removed else ()))
    victim = tuple(argument for name in patches for argument in ("--patch", f"tests.prove.world.removals:{name}"))
    with Stage(folder, settings=dict(rule.settings), keeps_book=True) as stage:
        audiences = [
            write_campaign(folder, f"news-{n}", recipients=rule.people, batch_size=rule.batch, more=rule.more)
            for n in range(rule.campaigns)
        ]
        command = ("run", *(str(audience.path) for audience in audiences), "--json", "--verbose")
        stage.put_faults(rule.faults)
        numbers = sorted(number for audience in audiences for number in audience.eligible)
        course = Course(stage, command, victim, random.Random(seed), numbers)
        rule.act(course)
        _end(course, audiences)
        if not stage.posts():
            raise RuntimeError(
                f"nothing was sent, which looks as if everybody was lost: {stage.errors_of_last()[-300:]}"
            )
        return check(stage.evidence(audiences)), stage.replayed(limit=rule.rate)


def _end(course: Course, audiences: Sequence[Audience]) -> None:
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
    kept, kept_replayed = _try(rule, folder / "kept", seed, removed=False)
    broken, broken_replayed = _try(rule, folder / "broken", seed, removed=True)
    return Missed(rule.name, kept, broken, time.monotonic() - began, kept_replayed, broken_replayed)


def ablate_condition(seed: int) -> Missed:
    """Try some worlds with steps whose conditions are read in the intent's transaction, and before it."""
    began = time.monotonic()
    found = [ablated.problems(seed, removed=removed) for removed in (False, True)]
    kept, broken = (Findings(tuple(each), 0, 0, 0, 0, 0, 0, 0, 0, 0, against=len(each)) for each in found)
    return Missed(ablated.RULE, kept, broken, time.monotonic() - began)


def ablate_fence(folder: Path, seed: int) -> Missed:
    """Try two schedulers, of which one wakes up with a verdict after the other has taken the lease."""
    began = time.monotonic()
    kept, kept_replayed = fence.tried(folder / "kept", seed, removed=False)
    broken, broken_replayed = fence.tried(folder / "broken", seed, removed=True)
    return Missed(fence.RULE, kept, broken, time.monotonic() - began, kept_replayed, broken_replayed)


HEAD: Final = (
    f"{'rule':<22}{'with it: violations':>20}{'without: violations':>21}{'doubled':>9}{'lost':>6}{'against':>9}"
    f"{'in the model':>14}{'not in it':>11}{'seconds':>9}"
)


def table(result: Missed) -> str:
    """The findings with a rule and without it, in one line; and every violation of the whole product."""
    line = (
        f"{result.rule:<22}{len(result.kept.violations):>20}{len(result.broken.violations):>21}"
        f"{result.broken.doubled:>9}{result.broken.lost:>6}{result.broken.against:>9}"
        f"{result.kept_replayed.validated + result.broken_replayed.validated:>14,}{result.broken_replayed.outside:>11}"
        f"{result.seconds:>9.0f}"
    )
    verdict = "" if result.is_needed else "  NOT MISSED"
    found = [*result.kept.violations, *result.kept_replayed.problems]
    without = [f"  without it: {each}" for each in result.broken_replayed.problems[:1]]
    return "\n".join([line + verdict, *without, *(f"WITH {result.rule}: {each}" for each in found)])


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
    results = []
    steps: list[tuple[str, Callable[[Path], Missed]]] = [
        (rule.name, partial(ablate, rule, seed=chosen.seed)) for rule in rules(chosen.seed)
    ]
    steps += [(fence.RULE, partial(ablate_fence, seed=chosen.seed))]
    steps += [(ablated.RULE, lambda _folder: ablate_condition(chosen.seed))]
    configure_logs("json", level=logging.CRITICAL)

    def is_chosen(rule: str) -> bool:
        return not chosen.only or any(part in rule for part in chosen.only)

    sys.stdout.write(HEAD + "\n")
    with (
        recording("ablation", seed=chosen.seed) as record,
        tempfile.TemporaryDirectory(prefix="ablation-") as temporary,
    ):
        for name, ablation in steps:
            if is_chosen(name):
                results.append(_told(ablation((chosen.keep or Path(temporary)) / name.replace(" ", "_")), record))
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")
    return 0 if all(result.is_needed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
