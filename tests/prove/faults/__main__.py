"""`python -m tests.prove.faults`: a campaign in each world where something around the product fails, and is mended.

`--only` names some of them, `--list` shows all. Those of disks and shares mount file systems: they need root on Linux.
"""

import argparse
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.prove.faults.kinds import FAULTS
from tests.prove.faults.trial import prove, table


def main(arguments: Sequence[str]) -> int:
    """Exit code 1: a promise was broken, or could not be tried."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.faults", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="WORDS", help="faults whose names have one of these")
    parser.add_argument("--list", action="store_true", help="show what is tried")
    options = parser.parse_args(arguments)
    chosen = [fault for fault in FAULTS if not options.only or any(words in fault.name for words in options.only)]
    if options.list:
        sys.stdout.write("".join(f"{fault.name}: {(fault.__doc__ or '').partition(chr(10))[0]}\n" for fault in chosen))
        return 0
    broken = 0
    for fault in chosen:
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            try:
                outcome = prove(fault(), Path(folder))
            except Exception:
                broken += 1
                sys.stdout.write(f"BROKEN  {fault.name}: it could not be tried\n{traceback.format_exc()}")
            else:
                broken += not outcome.is_kept
                sys.stdout.write(table(outcome) + "\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(chosen)} faults tried, {broken} broke a promise\n")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
