"""`python -m tests.prove.faults`: a campaign in each world where something around the product fails, and is mended.

`--only` names some of them, `--list` shows all. Those of disks and shares mount file systems: they need root on Linux.
"""

import argparse
import sys
import tempfile
import traceback
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from tests.prove.faults.kinds import FAULTS
from tests.prove.faults.trial import Fault, figures, prove, table
from tests.prove.record.lines import Recording, recording


def main(arguments: Sequence[str]) -> int:
    """Exit code 1: a promise was broken, or could not be tried."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.faults", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="WORDS", help="faults whose names have one of these")
    parser.add_argument("--list", action="store_true", help="show what is tried")
    parser.add_argument("--seed", type=int, default=1, help="the place in the list of the first that is tried")
    parser.add_argument("--count", type=int, help="how many of them are tried, from there on")
    options = parser.parse_args(arguments)
    named = [fault for fault in FAULTS if not options.only or any(words in fault.name for words in options.only)]
    if options.list:
        sys.stdout.write("".join(f"{fault.name}: {(fault.__doc__ or '').partition(chr(10))[0]}\n" for fault in named))
        return 0
    first = (options.seed - 1) % len(FAULTS)
    chosen = named if options.only else list(islice([*FAULTS, *FAULTS], first, first + (options.count or len(FAULTS))))
    with recording("some faults" if options.only else "faults", seed=options.seed) as record:
        record.seeds = 0
        for fault in chosen:
            try_one(fault, record)
    sys.stdout.write(f"{len(chosen)} faults tried, {record.broken} promises broken\n")
    return int(record.broken > 0)


def try_one(fault: type[Fault], record: Recording) -> None:
    """Try it, and tell and record what was found."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        try:
            outcome = prove(fault(), Path(folder))
        except Exception:
            record.add({"not tried": 1}, broken=1)
            sys.stdout.write(f"BROKEN  {fault.name}: it could not be tried\n{traceback.format_exc()}")
        else:
            record.add(figures(outcome), broken=len(outcome.violations))
            sys.stdout.write(table(outcome) + "\n")
    record.seeds += 1
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
