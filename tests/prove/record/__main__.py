"""`python -m tests.prove.record`: write into this folder's README what was proved on this version."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.prove.record.lines import of_this_version
from tests.prove.record.page import page, put_into

README: Final = Path(__file__).parents[1] / "README.md"


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.record", description=__doc__)
    parser.add_argument("--show", action="store_true", help="print it, and write nothing")
    made = page(of_this_version())
    if parser.parse_args(arguments).show:
        sys.stdout.write(f"{made}\n")
    else:
        README.write_text(put_into(README.read_text(encoding="utf-8"), made), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
