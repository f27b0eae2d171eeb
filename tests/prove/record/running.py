"""`make prove`: run what is not proved yet on this version, piece by piece, until every target is reached.

`python -m tests.prove.record.running [--hours H]`. It can be stopped at any time (Ctrl-C) and goes on where it was.
With `--hours`, no piece begins that might not end in time. The exit code is 1 if any run of this version broke a
promise or failed.
"""

import argparse
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from tests.prove.record.lines import INTERRUPTED, of_this_version, terminable
from tests.prove.record.table import PIECES, Piece, failures, unfinished
from tests.prove.record.version import ROOT, version

IN_VAIN: Final = 2
"""After so many runs in a row that bring nothing nearer, a piece is left alone."""


def run(hours: float | None) -> int:
    """Run the pieces; return the exit code."""
    until = time.monotonic() + 3_600 * hours if hours is not None else float("inf")
    in_vain: Counter[Piece] = Counter()
    while True:
        before = of_this_version()
        fitting = [
            piece
            for piece in unfinished(before)
            if in_vain[piece] < IN_VAIN and time.monotonic() + 60 * piece.minutes <= until
        ]
        if not fitting:
            break
        piece = fitting[0]
        _say(f"\n{datetime.now():%H:%M} {version()[0]}: {_progress(piece)}")  # noqa: DTZ005  for a person
        _one(piece.arguments(before))
        in_vain[piece] = 0 if piece.progress(of_this_version()) > piece.progress(before) else in_vain[piece] + 1
    _say("", *map(_progress, PIECES))
    failed = failures(of_this_version())
    _say(*(f"{line.broken} broken promises, {line.ended}: {line.what} {line.arguments}" for line in failed))
    return int(bool(failed))


def _one(arguments: Sequence[str]) -> None:
    """Run a piece to its end; if this is interrupted, interrupt the piece and wait until it has written its line."""
    command = [sys.executable, "-m", *arguments]
    _say(" ".join(["python", *command[1:]]))
    # A session of its own: Ctrl-C in the terminal would also reach the processes that it tries.
    piece = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        piece.wait()
    except KeyboardInterrupt:
        _say("interrupted: what is under way ends first, for a minute at most")
        piece.terminate()
        piece.wait()
        raise


def _progress(piece: Piece) -> str:
    lines = of_this_version()
    return "; ".join(f"{count.name}: {count.reached(lines):,} of {count.target:,}" for count in piece.counts)


def _say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.record.running", description=__doc__)
    parser.add_argument("--hours", type=float, help="how long it may take")
    hours = parser.parse_args(arguments).hours
    try:
        with terminable():
            return run(hours)
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
