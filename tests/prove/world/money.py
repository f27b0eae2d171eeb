"""`python -m tests.prove.world.money`: random campaigns with prices and budgets of money, on a clock of their own."""

import argparse
import logging
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from campaigns.problems import CampaignFileError
from tests.protocol.world.harness import Installation
from tests.protocol.world.money_scenarios import BEGIN, PricedWorld, Verdicts, play_world, random_world
from tests.prove.record.lines import recording
from tests.store.store_world import empty
from tests.support.clocks import FakeClock
from worker.logs import configure_logs
from worker.store.engine import Store
from worker.store.migrate import migrate

FIGURES: Final = tuple(each.name for each in fields(Verdicts) if each.name != "problems")


def judged(world: PricedWorld, store: Store) -> Verdicts | None:
    """Play a world on an empty database, and leave that empty; None: a text costs more than a budget, which is told."""
    with TemporaryDirectory(prefix="money-") as name:
        folder = Path(name)
        (folder / "prices.csv").write_text(world.file)
        bench = Installation(folder, store, FakeClock(BEGIN), prices=folder / "prices.csv", **world.settings)
        bench.hear()
        try:
            return play_world(bench, world)
        except CampaignFileError as error:
            if "the dearest text costs" not in str(error):
                raise
            return None
        finally:
            bench.close()
            empty(store)


def main(arguments: Sequence[str]) -> int:
    """The command line; returns 1 if a budget was exceeded or the books are wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.world.money", description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    configure_logs("json", level=logging.CRITICAL)
    seen: Counter[str] = Counter()
    began = time.monotonic()
    with recording("money", seed=options.seed) as record, TemporaryDirectory(prefix="money-") as name:
        record.seeds = 0
        store = Store(f"sqlite:///{Path(name) / 'campaigns.db'}")
        migrate(store)
        for seed in range(options.seed, options.seed + options.count):
            found = judged(random_world(seed), store)
            record.seeds += 1
            if found is None:
                seen["refused"] += 1
                continue
            seen.update({"worlds": 1, "broken": bool(found.problems)})
            seen.update({figure: getattr(found, figure) for figure in FIGURES})
            record.add({"worlds": 1, "campaigns": found.campaigns, "texts": found.texts}, broken=len(found.problems))
            if found.problems:
                sys.stdout.write("\n".join([f"seed {seed}", *found.problems, ""]))
                sys.stdout.flush()
        store.close()
    sys.stdout.write(
        f"seeds from {options.seed}: {seen['worlds']:,} worlds with {seen['campaigns']:,} campaigns and "
        f"{seen['texts']:,} texts that cost something ({seen['refused']:,} more were refused in the plan); "
        f"{seen['broken']:,} over a budget or with wrong books; {seen['put_off']:,} campaigns waited for a common "
        f"budget or did not end, {seen['paused']:,} of them paused; "
        f"{seen['repriced']:,} waited past a change of prices; of the other {seen['forecast']:,}, "
        f"{seen['exact']:,} cost what their plan said to the cent, and each day of {seen['days_exact']:,} of "
        f"{seen['days']:,}; "
        f"{time.monotonic() - began:.0f} seconds\n"
    )
    return int(seen["broken"] > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
