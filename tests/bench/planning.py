"""How fast a plan is made and stored, and with how much memory, in a process of its own for each measurement.

`python -m tests.bench.planning DATABASE_URL CAMPAIGN_FILE` is that process; it writes one line of JSON.
"""

import json
import resource
import subprocess
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

from pydantic import SecretStr

from scheduler.intake.taking import read_file, take_up
from tests.bench.reporting.results import BenchError, Planned
from worker.building import build_runtime
from worker.logs import configure_logs
from worker.settings.settings import load_settings
from worker.store.runs.runs import run_view

NO_GATEWAY: Final = ("http://127.0.0.1:9", SecretStr("unused"))  # planning asks no gateway


def measure_planning(name: str, database_url: str, campaign_file: Path) -> Planned:
    """Plan the campaign into an empty database. Raises `BenchError` if that fails."""
    # A child starts at the peak of its parent (Linux): measure before this process has grown.
    command = [sys.executable, "-m", "tests.bench.planning", database_url, str(campaign_file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"planning on {name} failed:\n{done.stderr[-2000:]}")
    figures = json.loads(done.stdout)
    return Planned(name, **figures)


def plan_here(database_url: str, campaign_file: Path) -> dict[str, float]:
    """Read, check, plan and store the campaign in this process; return the fields of `Planned`, except the name."""
    settings = load_settings(database_url=database_url, device_rate=None)
    runtime = build_runtime(settings, sandbox=NO_GATEWAY)
    try:
        started, cpu_started = perf_counter(), process_time()
        definition = read_file(campaign_file, settings)
        intake = take_up(runtime, definition, source=campaign_file.name)
        seconds, cpu_seconds = perf_counter() - started, process_time() - cpu_started
        with runtime.store.read() as session:
            summary = run_view(session, intake.run_id).plan_summary
    finally:
        runtime.close()
    return {
        "recipients": summary["counts"]["pending"], "seconds": seconds, "cpu_seconds": cpu_seconds,
        "peak_bytes": _peak_bytes(),
    }  # fmt: skip


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB


if __name__ == "__main__":
    configure_logs("json")
    json.dump(plan_here(sys.argv[1], Path(sys.argv[2])), sys.stdout)
