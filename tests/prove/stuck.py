"""A phone is switched off while two send a campaign, and switched on again later.

`python -m tests.prove.stuck --people 600 --rate 10 --after 5`; with `--fleet`, a scheduler and two workers on Redis and
PostgreSQL. The product runs in its own processes; the gateway's ledger says which phone took what.
"""

import argparse
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import sqlalchemy as sa

from tests.prove.checker import Findings, check
from tests.prove.record.lines import recording
from tests.prove.world.product import Audience, write_campaign
from tests.prove.world.stage import KEY, Backing, Stage, backed, wait_until
from tests.support.json_lines import whole_lines
from worker.store.engine import Store
from worker.store.models import StuckDevice

OFF: Final = 2
"""The phone that is switched off; the other one is 1."""

ON_THE_WAY_SECONDS: Final = 3.0
"""A request that was promised before the phone was found stuck: 2 s to be written, and half a second until every worker
knows."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The number of people and texts a second, and the seconds after which a phone counts as stuck."""

    people: int
    rate: int
    after_seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds from switching it off (on) until that was noticed; texts by phone: before that, and afterwards."""

    noticed_seconds: float
    back_seconds: float
    before: Counter[int]
    afterwards: Counter[int]
    in_words: str
    findings: Findings

    @property
    def violations(self) -> list[str]:
        """The findings that must not occur."""
        found = list(self.findings.violations)
        if self.afterwards[OFF]:
            found.append(f"{self.afterwards[OFF]} texts went to the stuck phone")
        if self.findings.unsettled or self.findings.failed:
            found.append("not everybody got it")
        if not self.in_words:
            found.append("the status text beside the campaign said nothing of the phone")
        return found


def prove(trial: Trial, folder: Path, backing: Backing) -> Outcome:
    """Run one trial in an empty folder, with an empty database."""
    settings = {"stuck_after_seconds": f"{trial.after_seconds:g}"}
    with Stage(folder, backing.database_url, backing.redis_url, settings) as stage:
        for command in backing.commands[:3]:  # nothing calls us: no dashboard
            stage.start(command, "--json")
        more = f"  rate: {trial.rate}/second\ndevices: {{use: [1, 2]}}\nfollow: {{until: 10m}}\n"
        audience = write_campaign(stage.inbox, "sale", recipients=trial.people, batch_size=2, more=more)
        _await(lambda: stage.stored() >= trial.people // 6, 60, "nothing is sent")
        with closing(Store(backing.database_of(folder))) as store:
            return _tried(trial, stage, store, audience)


def _tried(trial: Trial, stage: Stage, store: Store, audience: Audience) -> Outcome:
    _switch(stage, "off")
    off_at = time.time()
    _await(lambda: _is_stuck(store), trial.after_seconds + 60, "the phone was not noticed")
    noticed_at = time.time()
    status = stage.inbox / "sale.status.txt"
    wait_until(lambda: "Phone 2 holds texts" in status.read_text(encoding="utf-8"), 10)
    said = [line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("Phone ")]
    _await(lambda: stage.stored() >= trial.people, trial.people / trial.rate + 60, "the rest did not go")
    ledger = _ledger(stage)
    _switch(stage, "on")
    on_at = time.time()
    _await(lambda: not _is_stuck(store), 60, "the phone was not taken back")
    back_at = time.time()
    _await((stage.inbox / "sale.report.csv").exists, 120, "the campaign did not end")
    is_late = [float(line["accepted_at"]) > noticed_at + ON_THE_WAY_SECONDS for line in ledger]
    before, afterwards = (
        Counter(int(line["device"]) for line, late in zip(ledger, is_late, strict=True) if late == wanted)
        for wanted in (False, True)
    )
    findings = check(stage.evidence([audience]))
    return Outcome(noticed_at - off_at, back_at - on_at, before, afterwards, "".join(said[:1]), findings)


def _switch(stage: Stage, state: str) -> None:
    form = urlencode({"device": OFF, "state": state, "key": KEY}).encode()
    with urllib.request.urlopen(f"{stage.sandbox.url}/sandbox/phones", form, 10):
        return


def _is_stuck(store: Store) -> bool:
    with store.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(StuckDevice)) == 1


def _ledger(stage: Stage) -> list[Any]:
    return whole_lines(stage.ledger)


def _await(is_so: Callable[[], bool], seconds: float, complaint: str) -> None:
    if not wait_until(is_so, seconds):
        raise TimeoutError(complaint)


def table(trial: Trial, outcome: Outcome) -> str:
    """What was tried and found, one item per line."""
    found = outcome.findings

    def shown(counts: Counter[int]) -> str:
        return ", ".join(f"{count} by phone {device}" for device, count in sorted(counts.items())) or "none"

    return "\n".join(
        [
            f"{trial.people:,} people at {trial.rate}/s by two phones, stuck after {trial.after_seconds:g} s",
            f"  noticed after {outcome.noticed_seconds:.1f} s, taken back after {outcome.back_seconds:.1f} s",
            f"  texts until then: {shown(outcome.before)}; afterwards: {shown(outcome.afterwards)}",
            f"  doubled {found.doubled}, lost {found.lost}, failed {found.failed}, unsettled {found.unsettled}",
            f"  {outcome.in_words}",
            f"  violations: {len(outcome.violations)}",
            *(f"    {violation}" for violation in outcome.violations[:20]),
        ]
    )


def main(arguments: Sequence[str]) -> int:
    """The command; returns 1 if something was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.stuck")
    parser.add_argument("--people", type=int, default=600)
    parser.add_argument("--rate", type=int, default=10)
    parser.add_argument("--after", type=float, default=5.0)
    parser.add_argument("--fleet", action="store_true")
    given = parser.parse_args(arguments)
    trial = Trial(given.people, given.rate, given.after)
    with (
        recording("stuck fleet" if given.fleet else "stuck") as record,
        tempfile.TemporaryDirectory() as folder,
        backed(as_fleet=given.fleet) as backing,
    ):
        outcome = prove(trial, Path(folder), backing)
        record.add({"trials": 1, "people": trial.people}, broken=len(outcome.violations))
    sys.stdout.write(table(trial, outcome) + "\n")
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
