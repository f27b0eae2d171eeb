"""What it takes to follow a large campaign to its end: memory, reads and processor time of one `campaigns run`.

`python -m tests.bench.following --people 100000` writes one line of JSON. The campaign is sent and followed until every
text is delivered, on SQLite, with the times of a rehearsal and a gateway whose phones keep nobody waiting.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from scheduler.processes.rehearsal import SUITABLE
from tests.bench.results import MEBIBYTE, BenchError
from tests.bench.samples import write_campaign
from worker.sandbox.options import SandboxOptions
from worker.sandbox.process import PrivateSandbox

PACE_PER_SECOND: Final = 1_000_000.0


def measure_following(people: int, options: SandboxOptions, *, rate: str = "") -> dict[str, object]:
    """Run a campaign to its end in a process of its own; its peak memory in MiB, its reads, its seconds.

    Raises `BenchError` where it does not end with everybody's text delivered.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name, PrivateSandbox.start(options) as sandbox:
        folder = Path(name)
        throughput = {"rate": rate} if rate else {}
        campaign = write_campaign(folder, recipients=people, **throughput)
        settings = {
            f"CAMPAIGNS_{key.upper()}": "none" if value is None else str(value) for key, value in SUITABLE.items()
        }
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-c", "from scheduler.cli import main; main()", "run", "--json", str(campaign)],
            stdout=subprocess.PIPE,
            cwd=folder,
            env={
                **os.environ,
                **settings,
                "CAMPAIGNS_GATEWAY_URL": sandbox.url,
                "CAMPAIGNS_API_KEY": sandbox.key,
                "CAMPAIGNS_DATABASE_URL": f"sqlite:///{folder / 'campaigns.db'}",
            },
        )
        said = process.stdout.read() if process.stdout else b""
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
    if status:
        raise BenchError(f"the run ended with {os.waitstatus_to_exitcode(status)}: {said[-2000:].decode()}")
    summary = json.loads(said)
    delivered = summary["recipients"].get("delivered", 0)
    if delivered != people:
        raise BenchError(f"{delivered:,} of {people:,} texts were delivered")
    return {
        "people": people,
        "peak_mib": round(used.ru_maxrss * 1024 / MEBIBYTE, 1),
        "reads": summary["requests"]["read"],
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
    }


def main(arguments: Sequence[str]) -> int:
    """Measure and print one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.following", description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--rate", default="", help="as in throughput.rate")
    chosen = parser.parse_args(arguments)
    options = SandboxOptions(pace_per_second=PACE_PER_SECOND)
    sys.stdout.write(json.dumps(measure_following(chosen.people, options, rate=chosen.rate)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
