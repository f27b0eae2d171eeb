"""`python -m tests.prove.timing`: many random campaigns on the bench, each judged by wall clocks."""

import argparse
import logging
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.protocol.world.harness import Installation
from tests.protocol.world.timing_judge import Judge, play
from tests.protocol.world.timing_scenarios import Scenario, scenarios
from tests.prove.record.lines import recording
from tests.store.store_world import empty
from tests.support.clocks import FakeClock
from worker.logs import configure_logs
from worker.store.engine import Store
from worker.store.migrate import migrate


def problems_of(scenario: Scenario, store: Store) -> list[str]:
    """Play it on an empty database, and leave that empty; return every broken promise."""
    with TemporaryDirectory(prefix="timing-") as name:
        bench = Installation(Path(name), store, FakeClock(scenario.now), **scenario.settings)
        try:
            return list(Judge(bench, scenario, play(bench, scenario)).problems())
        finally:
            bench.close()
            empty(store)


def main(arguments: Sequence[str]) -> int:
    """The command line; returns 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.timing", description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    configure_logs("json", level=logging.CRITICAL)
    seen: Counter[str] = Counter()

    with recording("timing", seed=options.seed) as record, TemporaryDirectory(prefix="timing-") as name:
        store = Store(f"sqlite:///{Path(name) / 'campaigns.db'}")
        migrate(store)

        # No shrinking: it takes ten times as long as finding the failure, and a scenario is small already.
        @seed(options.seed)
        @settings(
            max_examples=options.count,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(scenario=scenarios(with_phones=True))
        def judge(scenario: Scenario) -> None:
            problems = problems_of(scenario, store)
            seen.update(scenarios=1, people=len(scenario.people), broken=bool(problems))
            record.add({"campaigns": 1, "people": len(scenario.people)}, broken=len(problems))
            if problems:
                sys.stdout.write("\n".join(["", repr(scenario), scenario.file, *problems, ""]))
                sys.stdout.flush()

        began = time.monotonic()
        judge()
        store.close()
    sys.stdout.write(
        f"seed {options.seed}: {seen['scenarios']:,} campaigns to {seen['people']:,} people, "
        f"{seen['broken']:,} with a broken promise, {time.monotonic() - began:.1f} seconds\n"
    )
    return int(seen["broken"] > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
