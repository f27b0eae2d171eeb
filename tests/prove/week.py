"""`python -m tests.prove.week`: a week of three campaigns, interrupted at random moments, beside an undisturbed one.

After each interruption another process continues on the same database; what hung wakes up later. Both weeks must have
sent the same texts in the same minutes.
"""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.protocol.world.busy_week import CUTS, week
from tests.prove.record.lines import recording
from worker.logs import configure_logs
from worker.store.engine import Store
from worker.store.migrate import migrate


def main(arguments: Sequence[str]) -> int:
    """The command line; returns 1 if a text was lost, sent twice, or sent in another minute."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.week", description=__doc__)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    configure_logs("json", level=logging.CRITICAL)
    broken = 0
    with recording("week", seed=options.seed) as record, TemporaryDirectory(prefix="week-") as name:
        record.seeds = 0
        store = Store(f"sqlite:///{Path(name) / 'campaigns.db'}")
        migrate(store)
        undisturbed = week(Path(name) / "undisturbed", store, None)
        for seed in range(options.seed, options.seed + options.count):
            began = time.monotonic()
            disturbed = week(Path(name) / f"seed-{seed}", store, seed)
            more, fewer = disturbed - undisturbed, undisturbed - disturbed
            broken += bool(more or fewer)
            record.seeds += 1
            record.add({"weeks": 1, "cuts": CUTS, "texts": disturbed.total()}, broken=more.total() + fewer.total())
            sys.stdout.write(
                f"seed {seed}: {CUTS} cuts, {disturbed.total():,} texts, {more.total():,} too many and "
                f"{fewer.total():,} missing in their minute, {time.monotonic() - began:.1f} seconds\n"
            )
            sys.stdout.flush()
        store.close()
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
