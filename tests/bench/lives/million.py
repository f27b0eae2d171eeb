"""One large campaign, from the drop of its file to the last receipt: what each process of an installation costs.

`python -m tests.bench.lives.million [--people N] [--only up|fleet]` prints time, processor time and peak memory of
every process, and how many requests and reads the gateway answered. The times of the protocol are those of a rehearsal,
and the gateway's phones never make anybody wait.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.request import urlopen

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from scheduler.processes.rehearsal import SUITABLE
from tests.bench.installation import Installation, Servers, cpu_seconds, servers
from tests.bench.reporting.results import MEBIBYTE, BenchError
from tests.bench.reporting.tables import LIFE_PEAK_MIB, verdict
from worker.logs import configure_logs
from worker.store.engine import Store
from worker.store.reports.counts import books

PEOPLE: Final = 1_000_000
ROLES: Final = {"up": ("up",), "fleet": ("scheduler", "worker", "worker", "dashboard")}
SECONDS_A_PERSON: Final = 0.002
"""After which the measurement is given up."""

FINISHED: Final = sa.text("SELECT count(*) FROM run WHERE finished_at IS NOT NULL")
_PEAK: Final = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Used:
    """What a process used from its start on."""

    role: str
    cpu_seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class LifeByProcess:
    """A campaign in an installation: from the drop of its file until every text is delivered."""

    where: str
    people: int
    seconds: float
    requests: int
    reads: int
    used: Sequence[Used]


def measure_life(name: str, where: Servers | None, people: int) -> LifeByProcess:
    """Drop the campaign and wait. Raises `BenchError` if not every text is delivered in time."""
    settings = {key: "none" if value is None else str(value) for key, value in SUITABLE.items()}
    with Installation(where, settings | {"http": "127.0.0.1:0"}, has_ledger=False) as world:
        started = list(zip(world.launch(*ROLES[name]), ROLES[name], strict=True))
        store = Store(world.database_url)
        began = time.monotonic()
        world.drop("million", recipients=people)

        def is_finished() -> bool:
            time.sleep(0.5)  # looking costs little, but not nothing
            with store.read() as session:
                return bool(session.scalar(FINISHED))

        try:
            world.wait(is_finished, "done", 60 + people * SECONDS_A_PERSON)
            seconds = time.monotonic() - began
            used = [_used(process, role) for process, role in started]
            with store.read() as session:
                delivered = books(session, 1).by_state
        finally:
            store.close()
        if delivered != {"delivered": people}:
            raise BenchError(f"{people:,} texts were to be delivered, and they are {dict(delivered)}")
        with urlopen(f"{world.sandbox.url}/sandbox/stats") as answer:
            asked = json.load(answer)["requests"]
    return LifeByProcess(name, people, seconds, asked["send"], asked["read"], used)


def _used(process: "subprocess.Popen[bytes]", role: str) -> Used:
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii", errors="replace")
    peak = _PEAK.search(status)
    return Used(role, cpu_seconds(process), int(peak[1]) * 1024 if peak else 0)


def table_of(lived: Sequence[LifeByProcess]) -> Table:
    """A row for each process, and for each installation as a whole."""
    title = f"One campaign of {lived[0].people:,}, from the drop of its file to the last receipt"
    table = Table(title=title, caption=f"the books of each: delivered {lived[0].people:,}, and nobody else")
    for head in (
        "installation",
        "process",
        "seconds",
        "of CPU",
        "us a person",
        "peak MiB",
        "target",
        "requests",
        "reads",
    ):
        table.add_column(head)
    for row in lived:
        cpu = sum(used.cpu_seconds for used in row.used)
        table.add_row(
            row.where, "all", f"{row.seconds:.0f}", f"{cpu:.0f}", f"{cpu / row.people * 1e6:.0f}", "", "",
            f"{row.requests:,}", f"{row.reads:,}",
        )  # fmt: skip
        for used in row.used:
            cost = used.cpu_seconds / row.people * 1e6
            peak = used.peak_bytes / MEBIBYTE
            target = verdict(f"< {LIFE_PEAK_MIB}", peak < LIFE_PEAK_MIB)
            cells = f"{used.cpu_seconds:.0f}", f"{cost:.0f}", f"{peak:.0f}", target
            table.add_row("", used.role, "", *cells, "", "")
    return table


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 0, or 1 if something went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.lives.million", description=__doc__)
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--only", choices=list(ROLES), help="one of the installations")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryFile("w") as log, servers() as world:
        configure_logs("json", stream=log)
        try:
            lived = [
                measure_life(name, world if name == "fleet" else None, options.people)
                for name in ROLES
                if options.only in (None, name)
            ]
        except BenchError as error:
            Console(stderr=True).print(str(error), markup=False)
            return 1
    Console(width=120).print(table_of(lived))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
