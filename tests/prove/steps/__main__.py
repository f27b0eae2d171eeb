"""`python -m tests.prove.steps`: random campaigns with steps, on a clock of their own, judged from every commit."""

import argparse
import logging
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from tests.prove.record.lines import recording
from tests.prove.steps.judge import figures
from tests.prove.steps.trial import on_postgresql, on_sqlite, tried
from tests.prove.steps.worlds import random_world
from worker.logs import configure_logs

EVERY: Final = 10
"""Every so many worlds, one is played on PostgreSQL."""


def main(arguments: Sequence[str]) -> int:
    """The command line; returns 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.steps", description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgresql", type=int, default=EVERY, metavar="N", help="every Nth; 0: none")
    options = parser.parse_args(arguments)
    configure_logs("json", level=logging.CRITICAL)
    seen: Counter[str] = Counter()
    began = time.monotonic()
    with recording("steps", seed=options.seed) as record, ExitStack() as stack:
        record.seeds = 0
        sqlite = stack.enter_context(on_sqlite())
        postgresql = stack.enter_context(on_postgresql()) if options.postgresql else sqlite
        for place, seed in enumerate(range(options.seed, options.seed + options.count), start=1):
            is_other = options.postgresql and place % options.postgresql == 0
            found = tried(random_world(seed), postgresql if is_other else sqlite)
            record.seeds += 1
            disturbed = {"kills": found.kills, "take-overs": found.takeovers, "meanwhile": found.meanwhile}
            of_people = {key: figures(found.verdicts)[key] for key in ("people", "sent", "kept_out")}
            record.add({"campaigns": 1, **of_people, **disturbed}, broken=len(found.verdicts.problems))
            seen.update({"worlds": 1, "postgresql": int(bool(is_other)), "broken": bool(found.verdicts.problems)})
            seen.update({"kills": found.kills, "takeovers": found.takeovers, "meanwhile": found.meanwhile})
            seen.update(figures(found.verdicts))
            if found.verdicts.problems:
                sys.stdout.write("\n".join([f"seed {seed}", *found.verdicts.problems, ""]))
                sys.stdout.flush()
    sys.stdout.write(
        f"seeds from {options.seed}: {seen['worlds']:,} campaigns ({seen['postgresql']:,} on PostgreSQL) to "
        f"{seen['people']:,} people, {seen['broken']:,} with a broken promise; {seen['sent']:,} texts of steps, "
        f"{seen['kept_out']:,} left out by a condition ({seen['at_the_intent']:,} of them when their text was due), "
        f"{seen['too_late']:,} answers while the request was on its way, {seen['opted_out']:,} who had opted out, "
        f"{seen['capped']:,} over a cap, {seen['other']:,} failed or cancelled; {seen['kills']:,} kills, "
        f"{seen['takeovers']:,} take-overs, {seen['meanwhile']:,} replies and receipts between or in transactions; "
        f"{time.monotonic() - began:.0f} seconds\n"
    )
    return int(seen["broken"] > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
