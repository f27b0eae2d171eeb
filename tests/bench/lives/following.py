"""What it takes to send and follow a large campaign: memory, reads, CPU time and database of one `campaigns run`.

`python -m tests.bench.lives.following --people 100000` writes one line of JSON. The campaign is sent and followed until
every text is delivered, on SQLite, with the times of a rehearsal and a gateway whose phones never make anybody wait.
"""

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from scheduler.processes.rehearsal import SUITABLE
from tests.bench.reporting.results import BenchError, Lived
from tests.bench.reporting.samples import write_campaign
from worker.sandbox.running.options import SandboxOptions
from worker.sandbox.running.process import PrivateSandbox

PACE_PER_SECOND: Final = 1_000_000.0


def measure_following(people: int, options: SandboxOptions | None = None) -> Lived:
    """Run a campaign to its end in its own process, and export it in another.

    Raises `BenchError` if it does not end with everybody's text delivered.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name, _sandbox(options) as sandbox:
        folder = Path(name)
        campaign = write_campaign(folder, recipients=people)
        settings = {
            f"CAMPAIGNS_{key.upper()}": "none" if value is None else str(value) for key, value in SUITABLE.items()
        } | {
            "CAMPAIGNS_GATEWAY_URL": sandbox.url,
            "CAMPAIGNS_API_KEY": sandbox.key,
            "CAMPAIGNS_DATABASE_URL": f"sqlite:///{folder / 'campaigns.db'}",
        }
        began = time.monotonic()
        said, ran = _command(folder, settings, "run", "--json", str(campaign))
        seconds = time.monotonic() - began
        database_bytes = _pages(folder / "campaigns.db")
        _, exported = _command(folder, settings, "export", "bench", "-o", "bench.out.csv")
    summary = json.loads(said)
    delivered = summary["recipients"].get("delivered", 0)
    if delivered != people:
        raise BenchError(f"{delivered:,} of {people:,} texts were delivered")
    cpu_seconds = ran.ru_utime + ran.ru_stime
    reads = summary["requests"]["read"]
    return Lived(people, reads, seconds, cpu_seconds, _peak_bytes(ran), _peak_bytes(exported), database_bytes)


def _sandbox(options: SandboxOptions | None) -> PrivateSandbox:
    return PrivateSandbox.start(options or SandboxOptions(pace_per_second=PACE_PER_SECOND))


def _command(folder: Path, settings: Mapping[str, str], *words: str) -> tuple[bytes, resource.struct_rusage]:
    """What one of our commands writes and the resources it used, whatever this process used before (Linux)."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from scheduler.cli import main; main()", *words],
        stdout=subprocess.PIPE,
        cwd=folder,
        env={**os.environ, **settings},
    )
    said = process.stdout.read() if process.stdout else b""
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise BenchError(f"{words[0]} ended with {os.waitstatus_to_exitcode(status)}: {said[-2000:].decode()}")
    return said, used


def _pages(database: Path) -> int:
    """The size of an SQLite database, with what is only in its log yet."""
    with closing(sqlite3.connect(database)) as connection:
        pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return int(pages * size)


def _peak_bytes(used: resource.struct_rusage) -> int:
    return used.ru_maxrss * 1024


def main(arguments: Sequence[str]) -> int:
    """Measure and print one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.lives.following", description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--clock-ahead", type=float, default=0.0, help="of the gateway, in seconds; may be below 0")
    parser.add_argument("--all-times", action="store_true", help="a gateway that shows all times in every window")
    chosen = parser.parse_args(arguments)
    options = SandboxOptions(
        pace_per_second=PACE_PER_SECOND, clock_ahead_seconds=chosen.clock_ahead, heeds_time=not chosen.all_times
    )
    sys.stdout.write(json.dumps(measure_following(chosen.people, options).to_json()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
